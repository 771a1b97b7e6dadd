/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Sends and receipts that need not wait: for chan.c and select.c. */
#ifndef GREEN_SYNC_TRANSFER_H
#define GREEN_SYNC_TRANSFER_H

#include "sched/wait.h"
#include "sync/chan.h"
#include "sync/chan_wait.h"

#include <errno.h>

/* What is left to do without the lock. */
struct green_transfer {
	struct green_waiter *other;	/* whose thread waited, and is claimed; NULL: nothing */
	const void *from;
	void *to;
	size_t size;
};

/* Claimed, or NULL: mostly nobody is there. */
static inline struct green_waiter *green_first(struct green_waiters *list)
{
	return list->first ? green_waiter_claim(list) : NULL;
}

/* 0; -EAGAIN: it would have to wait; -EPIPE; -EINVAL. The caller has the lock of @c. */
static inline int green_send_now(struct green_chan *c, const void *value,
				 struct green_transfer *tr)
{
	if (!value && c->size)
		return -EINVAL;
	if (c->closed)
		return -EPIPE;
	tr->other = green_first(&c->receivers);
	if (tr->other) {
		tr->from = value;
		tr->to = tr->other->data;
		tr->size = c->size;
		return 0;
	}
	if (c->count == c->capacity)
		return -EAGAIN;
	green_chan_push(c, value);
	return 0;
}

/* 0; -EAGAIN; -EPIPE. */
static inline int green_recv_now(struct green_chan *c, void *value,
				 struct green_transfer *tr)
{
	if (c->count) {
		green_chan_pop(c, value);
		tr->other = green_first(&c->senders);
		/* It waited for the room that there is now, behind the other values. */
		if (tr->other)
			green_chan_push(c, tr->other->data);
		tr->to = NULL;
		return 0;
	}
	tr->other = green_first(&c->senders);
	if (tr->other) {
		green_assert(!c->capacity);
		tr->from = tr->other->data;
		tr->to = value;
		tr->size = c->size;
		return 0;
	}
	return c->closed ? -EPIPE : -EAGAIN;
}

static inline void green_transfer(const struct green_transfer *tr)
{
	if (!tr->other)
		return;
	if (tr->to)
		green_chan_copy(tr->to, tr->from, tr->size);
	green_chan_end(tr->other, 0);
}

#endif
