/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads, from their start to their end. */
#ifndef GREEN_SCHED_THREAD_H
#define GREEN_SCHED_THREAD_H

#include <green.h>

struct green;
struct green_stats;
struct green_worker;

/* For @w, where green_ready() starts it; NULL: no memory. */
struct green *green_thread_prepare(struct green_worker *w, const struct green_attr *attr,
				   void (*fn)(void *), void *arg);
/* ... and ready. */
struct green *green_thread_new(struct green_worker *w, const struct green_attr *attr,
			       void (*fn)(void *), void *arg);
/* Of all workers. */
void green_stats_sum(struct green_stats *s);

#endif
