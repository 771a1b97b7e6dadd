/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Timers: for each worker a heap of times. A thread is in that of the worker it has
 * parked on, its home, at most once. Other workers take from the heap of one that is busy.
 *
 * With many threads each one's memory is far away, so none is touched on the way
 * through the heap. A time stands beside the number of its timer, four children in a
 * cache line; where each number is at the moment, so that it can leave from the middle,
 * stands in an array of its own. The number is t->timer, and stays while it is set.
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
#include <string.h>

#define CHILDREN	4
#define CACHE_LINE	64

/* Nodes in front of the first: so children begin a cache line. */
#define IN_FRONT	(CHILDREN - 1)

#define FIRST_MAX	64

static unsigned int first_child(unsigned int i)
{
	return CHILDREN * i + 1;
}

static unsigned int parent(unsigned int i)
{
	return (i - 1) / CHILDREN;
}

static struct green *thread_of(const struct green_timers *h, unsigned int i)
{
	return h->thread[h->heap[i].timer];
}

/* None rings before the one above it, and each number knows its place and its thread. */
static void check_place(const struct green_timers *h, unsigned int i)
{
	(void)h;
	green_assert(i < h->nr && h->place[h->heap[i].timer] == i);
	green_assert(thread_of(h, i)->timer == (int)h->heap[i].timer);
	green_assert(!i || h->heap[parent(i)].at <= h->heap[i].at);
	for (unsigned int k = first_child(i); k < first_child(i) + CHILDREN; k++)
		green_assert(k >= h->nr || h->heap[k].at >= h->heap[i].at);
}

static void put(struct green_timers *h, unsigned int i, struct green_time time)
{
	h->heap[i] = time;
	h->place[time.timer] = i;
}

static void sift_up(struct green_timers *h, unsigned int i, struct green_time time)
{
	while (i && h->heap[parent(i)].at > time.at) {
		put(h, i, h->heap[parent(i)]);
		i = parent(i);
	}
	put(h, i, time);
}

/* The child of @i that rings first; it has one. */
static unsigned int least_child(const struct green_timers *h, unsigned int i)
{
	unsigned int least = first_child(i), end = least + CHILDREN;

	if (end > h->nr)
		end = h->nr;
	for (unsigned int k = least + 1; k < end; k++)
		least = h->heap[k].at < h->heap[least].at ? k : least;
	return least;
}

/* Who comes near the top rings soon: by then its memory is here. */
static void fetch(const struct green_timers *h, unsigned int i)
{
	const struct green *t;

	if (i < first_child(1) || i >= first_child(first_child(1)))
		return;
	t = thread_of(h, i);
	__builtin_prefetch(&t->sp, 1);
	__builtin_prefetch(&t->state, 1);
	__builtin_prefetch(&t->timer, 1);
}

static void sift_down(struct green_timers *h, unsigned int i, struct green_time time)
{
	while (first_child(i) < h->nr) {
		unsigned int least = least_child(h, i);

		if (time.at <= h->heap[least].at)
			break;
		put(h, i, h->heap[least]);
		fetch(h, i);
		i = least;
	}
	put(h, i, time);
}

/* ---- memory -------------------------------------------------------------- */

static void memory_free(struct green_timers *h)
{
	free(h->heap ? h->heap - IN_FRONT : NULL);
	free(h->thread);
	free(h->place);
}

/* Numbers that no thread has are in a list along place. */
static void free_number(struct green_timers *h, unsigned int timer)
{
	h->place[timer] = h->unused;
	h->unused = timer;
}

static void *more(void *old, size_t size, unsigned int nr, unsigned int max)
{
	void *new = aligned_alloc(CACHE_LINE, max * size);

	if (new && old)
		memcpy(new, old, nr * size);
	return new;
}

/* All of it, or nothing. */
static int grow(struct green_timers *h)
{
	unsigned int old = h->max, max = old ? 2 * old : FIRST_MAX;
	struct green_time *heap = more(h->heap ? h->heap - IN_FRONT : NULL, sizeof(*heap),
				       old + IN_FRONT, max + CACHE_LINE / sizeof(*heap));
	struct green **thread = more(h->thread, sizeof(*thread), old, max);
	unsigned int *place = more(h->place, sizeof(*place), old, max);

	if (!heap || !thread || !place) {
		free(heap);
		free(thread);
		free(place);
		return -ENOMEM;
	}
	memory_free(h);
	h->heap = heap + IN_FRONT;
	h->thread = thread;
	h->place = place;
	h->max = max;
	for (unsigned int i = max; i > old; i--)
		free_number(h, i - 1);
	return 0;
}

/* ---- the calls ----------------------------------------------------------- */

/* Others look at nr without the lock. */
static void set_nr(struct green_timers *h, unsigned int nr)
{
	__atomic_store_n(&h->nr, nr, __ATOMIC_RELAXED);
}

static void take_out(struct green_timers *h, struct green *t)
{
	unsigned int timer = (unsigned int)t->timer, i = h->place[timer];
	struct green_time last = h->heap[h->nr - 1];

	check_place(h, i);
	set_nr(h, h->nr - 1);
	if (i < h->nr) {
		/* One of the two moves it, the other finds it in place. */
		sift_down(h, i, last);
		sift_up(h, h->place[last.timer], last);
		check_place(h, h->place[last.timer]);
	}
	free_number(h, timer);
	__atomic_store_n(&t->timer, -1, __ATOMIC_RELEASE);
}

static bool put_in(struct green_timers *h, struct green *t, uint64_t at)
{
	unsigned int timer = h->unused;

	green_assert(timer < h->max);
	h->unused = h->place[timer];
	h->thread[timer] = t;
	__atomic_store_n(&t->timer, (int)timer, __ATOMIC_RELAXED);
	set_nr(h, h->nr + 1);
	sift_up(h, h->nr - 1, (struct green_time){ at, timer });
	check_place(h, h->place[timer]);
	return !h->place[timer];
}

int green_timer_add(struct green *t, uint64_t at)
{
	struct green_timers *h = &t->home->timers;
	int err = 0;

	green_assert(t->timer < 0);
	green_spin_lock(&h->lock, RANK_TIMERS);
	if (h->nr == h->max)
		err = grow(h);
	if (!err)
		err = put_in(h, t, at);
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
	if (h->nr && h->heap[0].at <= now && green_claim(thread_of(h, 0))) {
		t = thread_of(h, 0);
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
	at = h->nr ? h->heap[0].at : 0;
	green_spin_unlock(&h->lock, RANK_TIMERS);
	return at;
}

void green_timers_forked(struct green_timers *h)
{
	h->nr = 0;
	h->unused = 0;
	for (unsigned int i = h->max; i; i--)
		free_number(h, i - 1);
}

void green_timers_free(struct green_timers *h)
{
	memory_free(h);
	h->heap = NULL;
	h->thread = NULL;
	h->place = NULL;
	h->nr = h->max = 0;
}
