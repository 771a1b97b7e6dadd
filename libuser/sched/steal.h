/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Whose turn it is on a worker: one of its own threads, or another worker's. */
#ifndef GREEN_SCHED_STEAL_H
#define GREEN_SCHED_STEAL_H

struct green;
struct green_worker;

/* Out of a queue; NULL: there is none that @w may run. */
struct green *green_next_thread(struct green_worker *w);
/* To @w's queue from that of a worker which has not switched for long. */
void green_rescue(struct green_worker *w);

#endif
