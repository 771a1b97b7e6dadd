/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Locks for many readers or one writer. All wait in one list, and are let in in the order
 * in which they came, neighbouring readers together; a reader that comes while anybody waits
 * waits behind. So neither readers nor writers starve.
 */
#include "base/handle.h"
#include "base/held.h"
#include "calls.h"
#include "sync/object.h"

#include <errno.h>

static bool no_longer(struct green *t);

static const struct green_wait_kind reading = { .name = "rwlock, to read", .abort = no_longer };
static const struct green_wait_kind writing = { .name = "rwlock, to write", .abort = no_longer };

static bool may_enter(const struct green_rwlock *l, const struct green_wait_kind *kind)
{
	return !l->owner && (kind == &reading || !l->readers);
}

static void enter(struct green_rwlock *l, struct green *t, const struct green_wait_kind *kind)
{
	if (kind == &writing)
		l->owner = t->handle;
	else
		l->readers++;
	green_holds(t, l);
}

/* With the lock: those that are let in, along next. */
static struct green *admit(struct green_rwlock *l)
{
	struct green_object *o = green_object_of(&l->sync);
	struct green_waiter *w;
	struct green_queue q;

	green_queue_init(&q);
	while ((w = o->waiters.first) && may_enter(l, w->t->wait)) {
		green_waiter_del(&o->waiters, w);
		if (!green_claim(w->t))
			continue;
		w->t->ret = 0;
		enter(l, w->t, w->t->wait);
		green_queue_put(&q, w->t);
	}
	return q.head;
}

/* Those behind it may be let in now. */
static bool no_longer(struct green *t)
{
	struct green_rwlock *l = t->wait_on;
	struct green_object *o = green_object_of(&l->sync);
	struct green *next;

	green_spin_lock(&o->lock, RANK_OBJECT);
	green_waiter_del(&o->waiters, &t->waiter);
	next = admit(l);
	green_object_unlock(o);
	green_ready_all(next);
	return true;
}

static int lock(struct green_rwlock *l, const struct green_wait_kind *kind, bool wait)
{
	struct green_object *o = green_object_of(&l->sync);
	struct green *t = green_worker->current;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (l->owner == t->handle)
		err = -EDEADLK;
	else if (l->owner && !green_of((const green_t *)l->owner))
		err = -ENOTRECOVERABLE;
	else if (!o->waiters.first && may_enter(l, kind))
		enter(l, t, kind);
	else if (wait)
		return green_object_wait(o, kind);
	else
		err = -EBUSY;
	green_object_unlock(o);
	return err;
}

int rt_rwlock_rdlock(struct green_rwlock *l)
{
	return lock(l, &reading, true);
}

int rt_rwlock_wrlock(struct green_rwlock *l)
{
	return lock(l, &writing, true);
}

int rt_rwlock_tryrdlock(struct green_rwlock *l)
{
	return lock(l, &reading, false);
}

int rt_rwlock_trywrlock(struct green_rwlock *l)
{
	return lock(l, &writing, false);
}

int rt_rwlock_unlock(struct green_rwlock *l)
{
	struct green_object *o = green_object_of(&l->sync);
	struct green *t = green_worker->current, *next = NULL;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (l->owner == t->handle)
		l->owner = 0;
	else if (l->readers && t->held)
		l->readers--;
	else
		err = -EPERM;
	if (!err) {
		green_holds_no_more(t, l);
		next = admit(l);
	}
	green_object_unlock(o);
	green_ready_all(next);
	return err;
}

int rt_rwlock_destroy(struct green_rwlock *l)
{
	struct green_object *o = green_object_of(&l->sync);

	return green_object_lock(o) ?: green_object_destroy(o, l->owner || l->readers);
}
