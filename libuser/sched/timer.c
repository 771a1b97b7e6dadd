/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Timers: a binary heap of threads by wake_at. A thread is in it at most once;
 * its place stands in t->timer, so that it can leave from the middle.
 */
#include "base/runtime.h"
#include "base/thread.h"
#include "sched/timer.h"

#include <errno.h>
#include <stdlib.h>

static void place(unsigned int i, struct green *t)
{
	green_rt.timers[i] = t;
	t->timer = (int)i;
}

static void sift_up(unsigned int i, struct green *t)
{
	while (i) {
		unsigned int up = (i - 1) / 2;

		if (green_rt.timers[up]->wake_at <= t->wake_at)
			break;
		place(i, green_rt.timers[up]);
		i = up;
	}
	place(i, t);
}

static void sift_down(unsigned int i, struct green *t)
{
	for (;;) {
		unsigned int down = 2 * i + 1;

		if (down >= green_rt.nr_timers)
			break;
		if (down + 1 < green_rt.nr_timers &&
		    green_rt.timers[down + 1]->wake_at < green_rt.timers[down]->wake_at)
			down++;
		if (t->wake_at <= green_rt.timers[down]->wake_at)
			break;
		place(i, green_rt.timers[down]);
		i = down;
	}
	place(i, t);
}

static int grow(void)
{
	unsigned int max = green_rt.max_timers ? 2 * green_rt.max_timers : 64;
	struct green **heap = realloc(green_rt.timers, max * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	green_rt.timers = heap;
	green_rt.max_timers = max;
	return 0;
}

int green_timer_add(struct green *t, uint64_t at)
{
	if (green_rt.nr_timers == green_rt.max_timers) {
		int err = grow();

		if (err)
			return err;
	}
	t->wake_at = at;
	sift_up(green_rt.nr_timers++, t);
	return t->timer == 0;
}

void green_timer_del(struct green *t)
{
	unsigned int i = (unsigned int)t->timer;
	struct green *last;

	if (t->timer < 0)
		return;
	t->timer = -1;
	last = green_rt.timers[--green_rt.nr_timers];
	if (last == t)
		return;
	/* One of the two moves it, the other finds it in place. */
	sift_down(i, last);
	sift_up((unsigned int)last->timer, last);
}

struct green *green_timer_pop(uint64_t now)
{
	struct green *t;

	if (!green_rt.nr_timers || green_rt.timers[0]->wake_at > now)
		return NULL;
	t = green_rt.timers[0];
	green_timer_del(t);
	return t;
}

uint64_t green_timer_next(void)
{
	return green_rt.nr_timers ? green_rt.timers[0]->wake_at : 0;
}
