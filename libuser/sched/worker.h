/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Workers: their lives, and their rest. */
#ifndef GREEN_SCHED_WORKER_H
#define GREEN_SCHED_WORKER_H

struct green_worker;

int green_workers_init(unsigned int nr);
void green_workers_exit(void);
/* With empty queues. */
void green_worker_init(struct green_worker *w, unsigned int nr);
/* The calling OS thread is @w from now on, or none. */
void green_be_worker(struct green_worker *w);
/* Nothing is to be run: wait until there may be. */
void green_rest(struct green_worker *w);

#endif
