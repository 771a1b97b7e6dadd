/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Whose turn it is on a worker: one of its own threads, or another worker's. */
#ifndef GREEN_SCHED_STEAL_H
#define GREEN_SCHED_STEAL_H

#include "base/lock.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/queue.h"

#include <stdbool.h>

/* Has @v, which does not rest, not switched for long? */
bool green_is_stuck(struct green_worker *v);
/* To @w's queue what it may take from that of @v, which is stuck. */
void green_rescue(struct green_worker *w, struct green_worker *v);

/* ---- whose turn it is: at each switch --------------------------------------- */

/* Another worker's; NULL: there is none that @w may run. */
struct green *green_steal(struct green_worker *w);

/*
 * The first of all, with the lock of the queues. The next two are fetched meanwhile, each one's
 * stack a turn later than what says where it is: of many threads none is in the cache.
 */
static inline struct green *green_take_first(struct green_worker *w)
{
	struct green *t = green_queue_get(&w->aside), *next;

	if (t)
		return t;
	t = green_queue_get(&w->runq);
	next = w->runq.head;
	if (!next)
		return t;
	__builtin_prefetch((const void *)next->sp);
	__builtin_prefetch((const char *)next->sp + 64);
	__builtin_prefetch(next->next, 1);
	__builtin_prefetch((const char *)next->next + 64, 1);
	return t;
}

/* @t of @w, which nobody runs, is ready, and comes last: whose turn is it? Perhaps its own. */
static inline struct green *green_take_turns(struct green_worker *w, struct green *t)
{
	green_set_state(t, STATE_READY);
	green_spin_lock(&w->lock, RANK_QUEUE);
	green_queue_put(&w->runq, t);
	t = green_take_first(w);
	green_spin_unlock(&w->lock, RANK_QUEUE);
	return t;
}

/* Out of a queue; NULL: there is none that @w may run. */
static inline struct green *green_next_thread(struct green_worker *w)
{
	struct green *t;

	green_spin_lock(&w->lock, RANK_QUEUE);
	if (w->yielded) {
		green_queue_put(&w->runq, w->yielded);
		w->yielded = NULL;
	}
	t = green_take_first(w);
	green_spin_unlock(&w->lock, RANK_QUEUE);
	return t || !green_shared ? t : green_steal(w);
}

#endif
