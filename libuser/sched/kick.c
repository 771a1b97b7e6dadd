/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Ends of rest: worker.c says who is told when. */
#include "base/lock.h"
#include "base/runtime.h"
#include "base/worker.h"
#include "sched/kick.h"
#include "sched/poller.h"

void green_kick(struct green_worker *w)
{
	bool kick;

	green_spin_lock(&w->lock, RANK_QUEUE);
	kick = green_is_to_be_kicked(w);
	green_spin_unlock(&w->lock, RANK_QUEUE);
	if (kick)
		green_rt.poller->kick(w);
}

void green_kick_any(const struct green_worker *busy)
{
	if (!atomic_load_explicit(&green_rt.nr_idle, memory_order_relaxed))
		return;
	for (unsigned int i = 1; i < green_rt.nr_workers; i++) {
		struct green_worker *w = &green_rt.worker[(busy->nr + i) % green_rt.nr_workers];

		if (w == green_worker || !__atomic_load_n(&w->rests, __ATOMIC_RELAXED) ||
		    __atomic_load_n(&w->kicked, __ATOMIC_RELAXED))
			continue;
		green_kick(w);
		return;
	}
}

void green_pass_on_the_watch(void)
{
	if (atomic_load_explicit(&green_rt.nr_idle, memory_order_relaxed) &&
	    !atomic_load_explicit(&green_rt.watched, memory_order_relaxed))
		green_kick_any(green_worker);
}

void green_stop(int ret)
{
	green_rt.main_ret = ret;
	atomic_store(&green_rt.main_done, true);
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		if (&green_rt.worker[i] != green_worker)
			green_kick(&green_rt.worker[i]);
}
