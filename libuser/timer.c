/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Timers: a binary heap of threads by wake_at. A thread is in it at most once;
 * its place stands in t->timer, so that it can leave from the middle.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

static void place(struct green_worker *w, unsigned int i, struct green *t)
{
	w->timers[i] = t;
	t->timer = (int)i;
}

static void sift_up(struct green_worker *w, unsigned int i, struct green *t)
{
	while (i) {
		unsigned int up = (i - 1) / 2;

		if (w->timers[up]->wake_at <= t->wake_at)
			break;
		place(w, i, w->timers[up]);
		i = up;
	}
	place(w, i, t);
}

static void sift_down(struct green_worker *w, unsigned int i, struct green *t)
{
	for (;;) {
		unsigned int down = 2 * i + 1;

		if (down >= w->nr_timers)
			break;
		if (down + 1 < w->nr_timers &&
		    w->timers[down + 1]->wake_at < w->timers[down]->wake_at)
			down++;
		if (t->wake_at <= w->timers[down]->wake_at)
			break;
		place(w, i, w->timers[down]);
		i = down;
	}
	place(w, i, t);
}

static int grow(struct green_worker *w)
{
	unsigned int max = w->max_timers ? 2 * w->max_timers : 64;
	struct green **heap = realloc(w->timers, max * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	w->timers = heap;
	w->max_timers = max;
	return 0;
}

int green_timer_add(struct green_worker *w, struct green *t, uint64_t at)
{
	if (w->nr_timers == w->max_timers) {
		int err = grow(w);

		if (err)
			return err;
	}
	t->wake_at = at;
	t->timed_out = false;
	sift_up(w, w->nr_timers++, t);
	return 0;
}

void green_timer_del(struct green_worker *w, struct green *t)
{
	unsigned int i = (unsigned int)t->timer;
	struct green *last;

	if (t->timer < 0)
		return;
	t->timer = -1;
	last = w->timers[--w->nr_timers];
	if (last == t)
		return;
	/* One of the two moves it, the other finds it in place. */
	sift_down(w, i, last);
	sift_up(w, (unsigned int)last->timer, last);
}

struct green *green_timer_pop(struct green_worker *w, uint64_t now)
{
	struct green *t;

	if (!w->nr_timers || w->timers[0]->wake_at > now)
		return NULL;
	t = w->timers[0];
	green_timer_del(w, t);
	return t;
}

uint64_t green_timer_next(const struct green_worker *w)
{
	return w->nr_timers ? w->timers[0]->wake_at : 0;
}
