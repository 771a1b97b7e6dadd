/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Timers: for each worker a binary heap of threads by wake_at. A thread is in that of the
 * worker it has parked on, its home, at most once; its place stands in t->timer, so that
 * it can leave from the middle. Other workers take from the heap of one that is busy.
 */
#include "base/assert.h"
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/claim.h"
#include "sched/timer.h"

#include <errno.h>
#include <stdlib.h>

/* None rings before the one above it, and each knows its place. */
static void check_place(const struct green_timers *h, unsigned int i)
{
	const struct green *t = h->heap[i];
	unsigned int down = 2 * i + 1;

	(void)t;
	(void)down;
	green_assert(i < h->nr && t->timer == (int)i);
	green_assert(!i || h->heap[(i - 1) / 2]->wake_at <= t->wake_at);
	green_assert(down >= h->nr || h->heap[down]->wake_at >= t->wake_at);
	green_assert(down + 1 >= h->nr || h->heap[down + 1]->wake_at >= t->wake_at);
}

static void place(struct green_timers *h, unsigned int i, struct green *t)
{
	h->heap[i] = t;
	__atomic_store_n(&t->timer, (int)i, __ATOMIC_RELAXED);
}

static void sift_up(struct green_timers *h, unsigned int i, struct green *t)
{
	while (i) {
		unsigned int up = (i - 1) / 2;

		if (h->heap[up]->wake_at <= t->wake_at)
			break;
		place(h, i, h->heap[up]);
		i = up;
	}
	place(h, i, t);
}

static void sift_down(struct green_timers *h, unsigned int i, struct green *t)
{
	for (;;) {
		unsigned int down = 2 * i + 1;

		if (down >= h->nr)
			break;
		if (down + 1 < h->nr && h->heap[down + 1]->wake_at < h->heap[down]->wake_at)
			down++;
		if (t->wake_at <= h->heap[down]->wake_at)
			break;
		place(h, i, h->heap[down]);
		i = down;
	}
	place(h, i, t);
}

static int grow(struct green_timers *h)
{
	unsigned int max = h->max ? 2 * h->max : 64;
	struct green **heap = realloc(h->heap, max * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	h->heap = heap;
	h->max = max;
	return 0;
}

/* Others look at nr without the lock. */
static void set_nr(struct green_timers *h, unsigned int nr)
{
	__atomic_store_n(&h->nr, nr, __ATOMIC_RELAXED);
}

static void take_out(struct green_timers *h, struct green *t)
{
	unsigned int i = (unsigned int)t->timer;
	struct green *last;

	check_place(h, i);
	set_nr(h, h->nr - 1);
	last = h->heap[h->nr];
	if (last != t) {
		/* One of the two moves it, the other finds it in place. */
		sift_down(h, i, last);
		sift_up(h, (unsigned int)last->timer, last);
		check_place(h, (unsigned int)last->timer);
	}
	__atomic_store_n(&t->timer, -1, __ATOMIC_RELEASE);
}

int green_timer_add(struct green *t, uint64_t at)
{
	struct green_timers *h = &t->home->timers;
	int err = 0;

	green_assert(t->timer < 0);
	green_spin_lock(&h->lock, RANK_TIMERS);
	if (h->nr == h->max)
		err = grow(h);
	if (!err) {
		t->wake_at = at;
		set_nr(h, h->nr + 1);
		sift_up(h, h->nr - 1, t);
		check_place(h, (unsigned int)t->timer);
		err = t->timer == 0;
	}
	green_spin_unlock(&h->lock, RANK_TIMERS);
	return err;
}

void green_timer_del(struct green *t)
{
	struct green_timers *h = &t->home->timers;

	/* Who has claimed @t is the only one to put it in; and who takes it out is done then. */
	if (__atomic_load_n(&t->timer, __ATOMIC_ACQUIRE) < 0)
		return;
	green_spin_lock(&h->lock, RANK_TIMERS);
	if (t->timer >= 0)
		take_out(h, t);
	green_spin_unlock(&h->lock, RANK_TIMERS);
}

/*
 * One that cannot be claimed stays: it is about to park, or another has claimed it, and
 * takes it out, or lets it wait on. Out before it is claimed it might be in the middle of
 * its next wait by then.
 */
struct green *green_timer_claim(struct green_worker *w, uint64_t now)
{
	struct green_timers *h = &w->timers;
	struct green *t = NULL;

	if (!green_timers(w))
		return NULL;
	green_spin_lock(&h->lock, RANK_TIMERS);
	if (h->nr && h->heap[0]->wake_at <= now && green_claim(h->heap[0])) {
		t = h->heap[0];
		take_out(h, t);
	}
	green_spin_unlock(&h->lock, RANK_TIMERS);
	return t;
}

uint64_t green_timer_next(struct green_worker *w)
{
	struct green_timers *h = &w->timers;
	uint64_t at;

	if (!green_timers(w))
		return 0;
	green_spin_lock(&h->lock, RANK_TIMERS);
	at = h->nr ? h->heap[0]->wake_at : 0;
	green_spin_unlock(&h->lock, RANK_TIMERS);
	return at;
}
