/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Parking, and what ends it. */
#include "base/assert.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/kick.h"
#include "sched/queue.h"
#include "sched/timer.h"
#include "sched/wait.h"
#include "stack/move.h"

/*
 * Forced moves come here, when the thread has written down what it waits for:
 * the hardest moment, and the one that real moves meet.
 */
struct green *green_park(struct green_worker *w, const struct green_wait_kind *kind)
{
	struct green *t = w->current;

	green_set_current(w, NULL);
	t->wait = kind;
	t->since = w->switched;
	t->state = STATE_PARKED;
	t->idle = 0;
	if (green_rt.debug.move_park)
		green_move(t, 0, NULL);
	return t;
}

bool green_claim(struct green *t)
{
	if (t->state != STATE_PARKED)
		return false;
	t->state = STATE_CLAIMED;
	return true;
}

void green_unclaim(struct green *t)
{
	green_assert(t->state == STATE_CLAIMED);
	t->state = STATE_PARKED;
}

void green_ready(struct green *t)
{
	green_assert(t->state != STATE_READY && t->state != STATE_DONE);
	green_timer_del(t);
	t->state = STATE_READY;
	green_queue_put(&t->home->runq, t);
	green_kick_for(t);
}

void green_ready_all(struct green *t)
{
	struct green *next;

	for (; t; t = next) {
		next = t->next;
		green_ready(t);
	}
}

int green_wake_at(struct green *t, uint64_t at)
{
	int err = green_timer_add(t, at);

	/* The first to ring now: whoever waits in the ring must not wait beyond it. */
	if (err > 0)
		green_poll_until(at);
	return err < 0 ? err : 0;
}

int green_wake_at_deadline(struct green *t)
{
	return t->deadline ? green_wake_at(t, t->deadline) : 0;
}

bool green_wake_expired(void)
{
	bool any = false;
	struct green *t;
	uint64_t now;

	if (!green_rt.nr_timers)
		return false;
	now = green_now_ns();
	while ((t = green_timer_pop(now))) {
		any = true;
		if (!green_claim(t))
			continue;
		if (!t->wait->abort || t->wait->abort(t))
			green_ready(t);
	}
	return any;
}

/* ---- lists of waiters ---------------------------------------------------- */

void green_waiter_put(struct green_waiters *list, struct green_waiter *w)
{
	green_assert(!w->waits);
	green_assert(!list->first == !list->last && (!list->last || !list->last->next));
	w->next = NULL;
	w->prev = list->last;
	w->waits = true;
	if (list->last)
		list->last->next = w;
	else
		list->first = w;
	list->last = w;
}

void green_waiter_del(struct green_waiters *list, struct green_waiter *w)
{
	if (!w->waits)
		return;
	green_assert(w->prev ? w->prev->next == w : list->first == w);
	green_assert(w->next ? w->next->prev == w : list->last == w);
	if (w->prev)
		w->prev->next = w->next;
	else
		list->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		list->last = w->prev;
	w->waits = false;
}

struct green_waiter *green_waiter_claim(struct green_waiters *list)
{
	struct green_waiter *w;

	while ((w = list->first)) {
		green_waiter_del(list, w);
		if (green_claim(w->t))
			return w;
	}
	return NULL;
}

void green_wait_in(struct green_waiters *list, struct green *t, void *data)
{
	t->waiter.t = t;
	t->waiter.data = data;
	green_waiter_put(list, &t->waiter);
}

void green_waiter_adjust(struct green *t, uintptr_t lo, uintptr_t hi, long delta)
{
	uintptr_t data = (uintptr_t)t->waiter.data;

	if (data >= lo && data < hi)
		t->waiter.data = (void *)(data + delta);
}
