/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads that are ready, the first that came first. */
#ifndef GREEN_SCHED_QUEUE_H
#define GREEN_SCHED_QUEUE_H

#include "base/thread.h"
#include "base/worker.h"

static inline void green_queue_init(struct green_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static inline void green_queue_put(struct green_queue *q, struct green *t)
{
	t->next = NULL;
	*q->tail = t;
	q->tail = &t->next;
}

/* The first; there is one. */
static inline struct green *green_queue_get(struct green_queue *q)
{
	struct green *t = q->head;

	q->head = t->next;
	if (!q->head)
		q->tail = &q->head;
	return t;
}

#endif
