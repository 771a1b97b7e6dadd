/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Timers. */
#ifndef GREEN_SCHED_TIMER_H
#define GREEN_SCHED_TIMER_H

#include "base/worker.h"

#include <stdint.h>

/*
 * Into the heap of its home. 1: it is the first there to ring now; 0, or -ENOMEM. The
 * caller owns @t.
 */
int green_timer_add(struct green *t, uint64_t at);
void green_timer_del(struct green *t);
/* The first of @w's whose time has come, claimed; or NULL. */
struct green *green_timer_claim(struct green_worker *w, uint64_t now);
/* There are none, and no memory of any. */
void green_timers_free(struct green_timers *h);
/* In a child: there are none. */
void green_timers_forked(struct green_timers *h);
/* When the next one of @w's is due; 0: there is none. */
uint64_t green_timer_next(struct green_worker *w);

/* How many are in @w's heap? */
static inline unsigned int green_timers(const struct green_worker *w)
{
	return __atomic_load_n(&w->timers.nr, __ATOMIC_RELAXED);
}

#endif
