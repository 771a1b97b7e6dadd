/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads that are ready, the first that came first. */
#ifndef GREEN_SCHED_QUEUE_H
#define GREEN_SCHED_QUEUE_H

#include "base/assert.h"
#include "base/thread.h"
#include "base/worker.h"

static inline void green_queue_init(struct green_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
	q->nr = 0;
}

static inline void green_queue_put(struct green_queue *q, struct green *t)
{
	/* In lists of one's own there are some that are about to be ready. */
	green_assert((t->state == STATE_READY || t->state == STATE_CLAIMED) && !*q->tail);
	t->next = NULL;
	*q->tail = t;
	q->tail = &t->next;
	/* Thieves look at nr without the lock. */
	__atomic_store_n(&q->nr, q->nr + 1, __ATOMIC_RELAXED);
}

/* The first; NULL: there is none. */
static inline struct green *green_queue_get(struct green_queue *q)
{
	struct green *t = q->head;

	if (!t)
		return NULL;
	q->head = t->next;
	if (!q->head)
		q->tail = &q->head;
	__atomic_store_n(&q->nr, q->nr - 1, __ATOMIC_RELAXED);
	return t;
}

/* All of @from, behind all of @to. */
static inline void green_queue_append(struct green_queue *to, struct green_queue *from)
{
	if (!from->head)
		return;
	*to->tail = from->head;
	to->tail = from->tail;
	__atomic_store_n(&to->nr, to->nr + from->nr, __ATOMIC_RELAXED);
	green_queue_init(from);
}

static inline unsigned int green_queue_nr(const struct green_queue *q)
{
	return __atomic_load_n(&q->nr, __ATOMIC_RELAXED);
}

#endif
