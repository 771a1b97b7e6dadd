/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Ends of rest. */
#ifndef GREEN_SCHED_KICK_H
#define GREEN_SCHED_KICK_H

#include "base/worker.h"
#include <stdbool.h>

/* @w is to look around. */
void green_kick(struct green_worker *w);
/* With its lock: it rests, and the caller is the first who wants it to rise. */
static inline bool green_is_to_be_kicked(struct green_worker *w)
{
	bool yes = w->rests && !w->kicked;

	if (yes)
		__atomic_store_n(&w->kicked, true, __ATOMIC_RELAXED);
	return yes;
}

/* One that rests could help @busy, which has more than it runs. */
void green_kick_any(const struct green_worker *busy);
/* The caller runs a thread from now on; if nobody watches that, one of those that rest is to. */
void green_pass_on_the_watch(void);
/* Let all workers end; what green_run() returns. */
void green_stop(int ret);

#endif
