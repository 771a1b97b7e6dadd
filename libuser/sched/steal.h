/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Whose turn it is on a worker: one of its own threads, or another worker's. */
#ifndef GREEN_SCHED_STEAL_H
#define GREEN_SCHED_STEAL_H

#include <stdbool.h>

struct green;
struct green_worker;

/* Out of a queue; NULL: there is none that @w may run. */
struct green *green_next_thread(struct green_worker *w);
/* @t of @w, which nobody runs, is ready, and comes last: whose turn is it? Perhaps its own. */
struct green *green_take_turns(struct green_worker *w, struct green *t);
/* Has @v, which does not rest, not switched for long? */
bool green_is_stuck(struct green_worker *v);
/* To @w's queue what it may take from that of @v, which is stuck. */
void green_rescue(struct green_worker *w, struct green_worker *v);

#endif
