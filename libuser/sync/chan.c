/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Channels: send, receive, close.
 *
 * A value goes straight from one thread's memory to the other's if one of them waits.
 * That one is claimed under the channel's lock, which makes the pair, and in the order of
 * the lock; then it stays where it is, also on its stack, and the value is copied without
 * the lock: so however large values are, nobody waits for a copy but the two.
 */
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "sched/outside.h"
#include "sched/wait.h"
#include "sync/chan.h"
#include "sync/chan_wait.h"
#include "sync/transfer.h"

#include <errno.h>

green_chan_t *rt_chan_new(size_t size, size_t capacity)
{
	struct green_chan *c = green_chan_get(size, capacity);

	return c ? (green_chan_t *)c->handle : NULL;
}

int rt_chan_free(green_chan_t *handle)
{
	struct green_chan *c = green_chan_lock(handle);

	if (!c)
		return -EINVAL;
	if (c->senders.first || c->receivers.first) {
		green_chan_unlock(c);
		return -EBUSY;
	}
	green_chan_put(c);
	return 0;
}

/* All that wait, claimed, along next of their waiters. */
static struct green_waiter *claim_all(struct green_chan *c)
{
	struct green_waiter *list = NULL, **link = &list, *w;

	while ((w = green_waiter_claim(&c->senders) ?: green_waiter_claim(&c->receivers))) {
		*link = w;
		link = &w->next;
	}
	*link = NULL;
	return list;
}

int rt_chan_close(green_chan_t *handle)
{
	struct green_chan *c = green_chan_lock(handle);
	struct green_waiter *w, *next;

	if (!c)
		return -EINVAL;
	if (c->closed) {
		green_chan_unlock(c);
		return -EPIPE;
	}
	c->closed = true;
	w = claim_all(c);
	green_chan_unlock(c);
	for (; w; w = next) {
		next = w->next;
		green_chan_end(w, -EPIPE);
	}
	return 0;
}

/* @guest: from outside. */
static int chan_send(green_chan_t *handle, const void *value, bool waits, struct green *guest)
{
	struct green_chan *c = green_chan_lock(handle);
	struct green_transfer tr = { 0 };
	int err;

	if (!c)
		return -EINVAL;
	err = green_send_now(c, value, &tr);
	if (err == -EAGAIN && guest)
		return green_chan_wait_outside(c, true, (void *)value, guest);
	if (err == -EAGAIN && waits)
		return green_chan_wait(c, true, (void *)value);
	green_chan_unlock(c);
	if (!err)
		green_transfer(&tr);
	return err;
}

static int chan_recv(green_chan_t *handle, void *value, bool waits, struct green *guest)
{
	struct green_chan *c = green_chan_lock(handle);
	struct green_transfer tr = { 0 };
	int err;

	if (!c)
		return -EINVAL;
	err = green_recv_now(c, value, &tr);
	if (err == -EAGAIN && guest)
		return green_chan_wait_outside(c, false, value, guest);
	if (err == -EAGAIN && waits)
		return green_chan_wait(c, false, value);
	green_chan_unlock(c);
	if (!err)
		green_transfer(&tr);
	return err;
}

int rt_chan_send(green_chan_t *handle, const void *value)
{
	return chan_send(handle, value, true, NULL);
}

int rt_chan_try_send(green_chan_t *handle, const void *value)
{
	return chan_send(handle, value, false, NULL);
}

int rt_chan_recv(green_chan_t *handle, void *value)
{
	return chan_recv(handle, value, true, NULL);
}

int rt_chan_try_recv(green_chan_t *handle, void *value)
{
	return chan_recv(handle, value, false, NULL);
}

/* ---- from outside ------------------------------------------------------------- */

static long send_of(struct green *guest, long handle, long value)
{
	return chan_send((green_chan_t *)handle, (const void *)value, true, guest);
}

static long recv_of(struct green *guest, long handle, long value)
{
	return chan_recv((green_chan_t *)handle, (void *)value, true, guest);
}

int rt_chan_send_outside(green_chan_t *handle, const void *value)
{
	return green_outside_wait(send_of, (long)handle, (long)value);
}

int rt_chan_recv_outside(green_chan_t *handle, void *value)
{
	return green_outside_wait(recv_of, (long)handle, (long)value);
}

int rt_chan_try_send_outside(green_chan_t *handle, const void *value)
{
	return green_outside_call(rt_chan_try_send, handle, value, 0);
}

int rt_chan_try_recv_outside(green_chan_t *handle, void *value)
{
	return green_outside_call(rt_chan_try_recv, handle, value, 0);
}

int rt_chan_close_outside(green_chan_t *handle)
{
	return green_outside_call(rt_chan_close, handle, 0, 0);
}

/* ---- without the runtime ------------------------------------------------------- */

/*
 * One worker alone: nobody is in the middle of a change, and nobody begins one. A signal
 * handler is on another stack.
 */
static inline bool may_here(const struct green_chan *c, const green_chan_t *handle)
{
	const struct green_worker *w = green_worker;
	const struct green *t = w ? w->running : NULL;

	return t && (uintptr_t)__builtin_frame_address(0) - t->lo < t->hi - t->lo &&
	       c->handle == (uintptr_t)handle;
}

/* Most values are words: apart from the others, so that nothing is saved for calls. */
static __attribute__((noinline)) int push_here(struct green_chan *c, const void *value)
{
	green_chan_push(c, value);
	return 0;
}

static __attribute__((noinline)) int pop_here(struct green_chan *c, void *value)
{
	green_chan_pop(c, value);
	return 0;
}

/* A value that goes into the ring, or comes from there, and nobody waits for that. */
static inline int send_here(const green_chan_t *handle, const void *value)
{
	struct green_chan *c = !green_worker || green_shared ? NULL : green_chan_at(handle);

	if (!c || !may_here(c, handle) || c->count == c->capacity || c->receivers.first ||
	    c->closed || (!value && c->size))
		return -1;
	if (c->size != sizeof(uint64_t))
		return push_here(c, value);
	memcpy(c->ring + c->next, value, sizeof(uint64_t));
	c->next = c->next + sizeof(uint64_t) == c->end ? 0 : c->next + sizeof(uint64_t);
	c->count++;
	return 0;
}

static inline int recv_here(const green_chan_t *handle, void *value)
{
	struct green_chan *c = !green_worker || green_shared ? NULL : green_chan_at(handle);

	if (!c || !may_here(c, handle) || !c->count || c->senders.first)
		return -1;
	if (c->size != sizeof(uint64_t) || !value)
		return pop_here(c, value);
	memcpy(value, c->ring + c->first, sizeof(uint64_t));
	c->first = c->first + sizeof(uint64_t) == c->end ? 0 : c->first + sizeof(uint64_t);
	c->count--;
	return 0;
}

int rt_chan_send_here(green_chan_t *handle, const void *value)
{
	return send_here(handle, value);
}

int rt_chan_try_send_here(green_chan_t *handle, const void *value)
{
	return send_here(handle, value);
}

int rt_chan_recv_here(green_chan_t *handle, void *value)
{
	return recv_here(handle, value);
}

int rt_chan_try_recv_here(green_chan_t *handle, void *value)
{
	return recv_here(handle, value);
}
