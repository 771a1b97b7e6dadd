/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the objects of green_sync.h have in common. */
#include "base/assert.h"
#include "sync/object.h"
#include "unwind/exit.h"

#include <assert.h>
#include <errno.h>

static_assert(sizeof(struct green_object) == sizeof(struct green_sync_), "green_sync.h has room for it");

int green_object_renew(struct green_object *o)
{
	if (o->epoch == GREEN_OBJECT_GONE) {
		green_object_unlock(o);
		return -EINVAL;
	}
	o->waiters = (struct green_waiters){ 0 };
	/* Read without the lock by who posts from outside. */
	__atomic_store_n(&o->epoch, green_rt.epoch, __ATOMIC_RELAXED);
	return 0;
}

int green_object_destroy(struct green_object *o, bool in_use)
{
	bool busy = in_use || o->waiters.first;

	if (!busy)
		__atomic_store_n(&o->epoch, GREEN_OBJECT_GONE, __ATOMIC_RELAXED);
	green_object_unlock(o);
	return busy ? -EBUSY : 0;
}

int green_object_may_wait(struct green *t)
{
	if (green_cancel_point(t))
		return -ECANCELED;
	if (t->deadline && t->deadline <= green_now_ns())
		return -ETIMEDOUT;
	t->ret = -ETIMEDOUT;
	return green_wake_at_deadline(t);
}

void green_object_park(struct green_object *o, const struct green_wait_kind *kind, void *data)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;

	t->wait_on = o;
	green_wait_in(&o->waiters, t, data);
	green_park(w, kind);
	green_object_unlock(o);
}

int green_object_wait(struct green_object *o, const struct green_wait_kind *kind)
{
	int err = green_object_may_wait(green_worker->current);

	if (err)
		green_object_unlock(o);
	else
		green_object_park(o, kind, NULL);
	return err;
}

bool green_object_leave(struct green *t)
{
	struct green_object *o = t->wait_on;

	green_spin_lock(&o->lock, RANK_OBJECT);
	green_waiter_del(&o->waiters, &t->waiter);
	green_object_unlock(o);
	return true;
}

struct green *green_object_first(struct green_object *o)
{
	struct green_waiter *w = green_waiter_claim(&o->waiters);

	if (!w)
		return NULL;
	w->t->ret = 0;
	w->t->next = NULL;
	return w->t;
}

struct green *green_object_all(struct green_object *o)
{
	struct green_queue q;
	struct green *t;

	green_queue_init(&q);
	while ((t = green_object_first(o)))
		green_queue_put(&q, t);
	return q.head;
}
