/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Whose turn it is on a worker.
 *
 * A thread belongs to the worker that ran it last, which has its thread-local
 * variables. Another one takes it if it has nothing to do itself, and all frames
 * are of code that computes such addresses anew after each call: what greencc
 * compiled, and the runtime's. So a thread that becomes ready goes to its worker's
 * queue, however long that may be busy, and is taken from there: by one without work,
 * or if all have some, by one that finds that the other has not switched for long.
 * A thread that is bound, or has other code's frames, waits for its worker.
 */
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "sched/portable.h"
#include "sched/queue.h"
#include "sched/steal.h"

#include <errno.h>

/* Frames that a thief looks at. */
#define MAX_FRAMES	1024

/* Threads that a thief looks at, with the lock of whom it steals from. */
#define MAX_LOOKS	128

/* About 10 ms, whatever the TSC's rate, without a switch. */
#define STUCK_TSC	20000000

/*
 * Half of what @v has and @w may run: the first is returned, and the others go to @w's
 * queue. Those that it may not run are set aside, so that nobody looks at them twice; they
 * came first and are still the first.
 */
static struct green *steal_from(struct green_worker *w, struct green_worker *v)
{
	struct green_queue loot;
	struct green *t;
	unsigned int half, looks;

	if (!green_queue_nr(&v->runq))
		return NULL;
	green_queue_init(&loot);
	green_spin_lock(&v->lock, RANK_QUEUE);
	half = (v->runq.nr + 1) / 2;
	for (looks = 0; looks < MAX_LOOKS && loot.nr < half; looks++) {
		t = green_queue_get(&v->runq);
		if (!t)
			break;
		green_queue_put(green_is_portable(t, MAX_FRAMES) ? &loot : &v->aside, t);
	}
	green_spin_unlock(&v->lock, RANK_QUEUE);
	green_count(stolen, loot.nr);
	t = green_queue_get(&loot);
	if (loot.nr) {
		green_spin_lock(&w->lock, RANK_QUEUE);
		green_queue_append(&w->runq, &loot);
		green_spin_unlock(&w->lock, RANK_QUEUE);
	}
	return t;
}

struct green *green_steal(struct green_worker *w)
{
	struct green *t = NULL;
	unsigned int i;

	for (i = 1; i < green_rt.nr_workers && !t; i++)
		t = steal_from(w, &green_rt.worker[(w->nr + i) % green_rt.nr_workers]);
	return t;
}

/*
 * A worker counts its switches and does not look at the clock each time: those who ask do.
 * If several do so at once, the last one's time stands, or an earlier one's.
 */
bool green_is_stuck(struct green_worker *v)
{
	uint64_t switches = __atomic_load_n(&v->stats.switches, __ATOMIC_RELAXED);
	uint64_t now = __builtin_ia32_rdtsc();

	if (__atomic_load_n(&v->rests, __ATOMIC_RELAXED))
		return false;
	if (__atomic_load_n(&v->seen, __ATOMIC_ACQUIRE) != switches) {
		__atomic_store_n(&v->seen_at, now, __ATOMIC_RELAXED);
		__atomic_store_n(&v->seen, switches, __ATOMIC_RELEASE);
		return false;
	}
	return (int64_t)(now - __atomic_load_n(&v->seen_at, __ATOMIC_RELAXED)) > STUCK_TSC;
}

void green_rescue(struct green_worker *w, struct green_worker *v)
{
	struct green *t = steal_from(w, v);

	if (!t)
		return;
	green_spin_lock(&w->lock, RANK_QUEUE);
	green_queue_put(&w->runq, t);
	green_spin_unlock(&w->lock, RANK_QUEUE);
}

int rt_bind(void)
{
	green_worker->current->bound++;
	return 0;
}

int rt_unbind(void)
{
	if (!green_worker->current->bound)
		return -EINVAL;
	green_worker->current->bound--;
	return 0;
}
