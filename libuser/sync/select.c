/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * green_select(): all channels are locked at once, the one at the lowest address first.
 * So what it finds holds for all of them, and nobody can end a wait that has begun in some
 * of them only.
 */
#include "base/thread.h"
#include "calls.h"
#include "sync/chan.h"
#include "sync/chan_wait.h"
#include "sync/transfer.h"

#include <errno.h>
#include <stdlib.h>

struct selecting {
	struct green_case *cases;
	unsigned int nr;
	struct green_chan *chan[GREEN_MAX_CASES];	/* of each case, or NULL */
	struct green_chan *locked[GREEN_MAX_CASES];	/* each once, in the order of addresses */
	unsigned int nr_locked;
};

/* A number below @n; each is as likely. On the worker's stack: no thread changes OS threads. */
static unsigned int by_chance(unsigned int n)
{
	static __thread uint32_t x;

	if (!x)
		x = (uint32_t)__builtin_ia32_rdtsc() | 1;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return (uint64_t)x * n >> 32;
}

/* ---- locks ----------------------------------------------------------------- */

static void note(struct selecting *s, struct green_chan *c)
{
	unsigned int i = s->nr_locked;

	while (i && s->locked[i - 1] > c)
		i--;
	if (i && s->locked[i - 1] == c)
		return;
	memmove(&s->locked[i + 1], &s->locked[i], (s->nr_locked - i) * sizeof(c));
	s->locked[i] = c;
	s->nr_locked++;
}

static void unlock_all(struct selecting *s)
{
	while (s->nr_locked)
		green_chan_unlock(s->locked[--s->nr_locked]);
}

static bool is_valid(const struct green_case *arm, const struct green_chan *c)
{
	return c->handle == (uintptr_t)arm->ch && (arm->value || !arm->sends || !c->size);
}

static int lock_all(struct selecting *s)
{
	for (unsigned int i = 0; i < s->nr; i++) {
		const green_chan_t *handle = s->cases[i].ch;

		s->chan[i] = NULL;
		if (!handle)
			continue;
		s->chan[i] = green_chan_at(handle);
		if (!s->chan[i])
			return -EINVAL;
		note(s, s->chan[i]);
	}
	for (unsigned int i = 0; i < s->nr_locked; i++)
		green_spin_lock(&s->locked[i]->lock, RANK_OBJECT);
	for (unsigned int i = 0; i < s->nr; i++)
		if (s->chan[i] && !is_valid(&s->cases[i], s->chan[i])) {
			unlock_all(s);
			return -EINVAL;
		}
	return 0;
}

/* ---- now ------------------------------------------------------------------- */

/* Perhaps, for of those that wait there all may have been claimed. */
static bool is_ready(const struct green_chan *c, bool sends)
{
	if (c->closed)
		return true;
	return sends ? c->receivers.first || c->count < c->capacity :
		       c->count || c->senders.first;
}

/* Does one that can be done, and returns its index; or -EAGAIN. */
static int select_now(struct selecting *s, struct green_transfer *tr)
{
	unsigned char ready[GREEN_MAX_CASES];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < s->nr; i++)
		if (s->chan[i] && is_ready(s->chan[i], s->cases[i].sends))
			ready[nr++] = i;
	while (nr) {
		unsigned int k = nr > 1 ? by_chance(nr) : 0, i = ready[k];
		struct green_case *arm = &s->cases[i];
		int err;

		err = arm->sends ? green_send_now(s->chan[i], arm->value, tr) :
				   green_recv_now(s->chan[i], arm->value, tr);
		if (err != -EAGAIN) {
			arm->result = err;
			return i;
		}
		ready[k] = ready[--nr];
	}
	return -EAGAIN;
}

/* ---- later ----------------------------------------------------------------- */

static struct green_selection *selection(const struct selecting *s)
{
	struct green_selection *sel = malloc(sizeof(*sel) + s->nr * sizeof(sel->place[0]));

	if (!sel)
		return NULL;
	sel->cases = s->cases;
	sel->nr = s->nr;
	for (unsigned int i = 0; i < s->nr; i++)
		sel->place[i] = (struct green_place){
			.waiter.data = s->cases[i].value,
			.chan = s->chan[i],
			.sends = s->cases[i].sends,
		};
	return sel;
}

static int select_later(const struct selecting *s)
{
	struct green_selection *sel = selection(s);
	int err = sel ? green_selection_wait(sel) : -ENOMEM;

	if (err)
		free(sel);
	return err;
}

static int do_select(struct green_case *cases, unsigned int nr, bool waits)
{
	struct selecting s;
	struct green_transfer tr = { 0 };
	int ret;

	if (nr > GREEN_MAX_CASES)
		return -EINVAL;
	s.cases = cases;
	s.nr = nr;
	s.nr_locked = 0;
	ret = lock_all(&s);
	if (ret)
		return ret;
	ret = select_now(&s, &tr);
	if (ret == -EAGAIN && waits) {
		ret = select_later(&s);
		unlock_all(&s);
		return ret;
	}
	unlock_all(&s);
	if (ret >= 0)
		green_transfer(&tr);
	return ret;
}

int rt_select(struct green_case *cases, unsigned int nr)
{
	return do_select(cases, nr, true);
}

int rt_try_select(struct green_case *cases, unsigned int nr)
{
	return do_select(cases, nr, false);
}
