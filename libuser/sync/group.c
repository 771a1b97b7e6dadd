/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Groups of threads that do not outlive the scope that began the group.
 *
 * A child is a record of its own, which is told of its thread's end (struct green_ending).
 * Records are in the group's list, those of children that are not cancelled yet in
 * front; all are cancelled one at a time, by handle and without the lock: their
 * waits have locks of their own.
 *
 * The group counts (users) its children and whoever works in it without the lock: the
 * owner goes on, and the group with its frame, when that is 0.
 */
#include "base/assert.h"
#include "calls.h"
#include "sched/thread.h"
#include "sync/object.h"
#include "unwind/exit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN = 1, CLOSED };

struct child {
	struct green_ending ending;
	struct green_waiter link;	/* in the group's list; its thread is not green_claim()'s */
	struct green_group *group;
	const green_t *handle;
	long *result;
	bool cancelled;			/* by the group */
};

static struct green_waiters *children(struct green_group *g)
{
	return (struct green_waiters *)g->children;
}

static struct child *first_child(struct green_group *g)
{
	struct green_waiter *w = children(g)->first;

	return w ? (struct child *)((char *)w - offsetof(struct child, link)) : NULL;
}

static struct green_object *object(struct green_group *g)
{
	return green_object_of(&g->sync);
}

/* An open group's. In a child of fork() the group has no children any more. */
static int lock(struct green_group *g)
{
	bool forked = object(g)->epoch != green_rt.epoch;
	int err = green_object_lock(object(g));

	if (err)
		return err;
	if (forked) {
		g->users = 0;
		memset(g->children, 0, sizeof(g->children));
	}
	if (g->state == OPEN)
		return 0;
	green_object_unlock(object(g));
	return -EINVAL;
}

/* With the lock: one user less; the owner, if it was waiting for that. */
static struct green *leave(struct green_group *g)
{
	struct green *owner;

	green_assert(g->users);
	if (--g->users)
		return NULL;
	owner = green_object_first(object(g));
	if (owner)
		owner->ret = g->state == OPEN ? g->error : 0;
	return owner;
}

/* The caller is a user of the group, whose error is set: nobody is added any more. */
static void cancel_children(struct green_group *g)
{
	struct child *c;
	green_t *handle;

	for (;;) {
		green_spin_lock(&object(g)->lock, RANK_OBJECT);
		c = first_child(g);
		if (!c || c->cancelled)
			break;
		c->cancelled = true;
		green_waiter_del(children(g), &c->link);
		green_waiter_put(children(g), &c->link);
		handle = (green_t *)c->handle;
		green_object_unlock(object(g));
		rt_cancel(handle);
	}
	green_object_unlock(object(g));
}

/* With the lock, which it gives up: the group fails, if it has not failed yet. */
static void fail(struct green_group *g, long error)
{
	struct green *owner;

	if (!g->error)
		g->error = error;
	g->users++;
	green_object_unlock(object(g));
	cancel_children(g);
	green_spin_lock(&object(g)->lock, RANK_OBJECT);
	owner = leave(g);
	green_object_unlock(object(g));
	if (owner)
		green_ready(owner);
}

/* A child's end: until its last lines the child is a user. */
static void ended(struct green *t, long ret)
{
	struct child *c = (struct child *)t->ending;
	struct green_group *g = c->group;
	long status = green_exit_status(t) ?: ret;
	struct green *owner;

	green_spin_lock(&object(g)->lock, RANK_OBJECT);
	green_waiter_del(children(g), &c->link);
	if (c->result)
		*c->result = status;
	if (status < 0 && !g->error) {
		fail(g, status);
		green_spin_lock(&object(g)->lock, RANK_OBJECT);
	}
	owner = leave(g);
	green_object_unlock(object(g));
	if (owner)
		green_ready(owner);
}

/* ---- the calls ------------------------------------------------------------ */

/* Its end is deferred already; else nothing is known of what @g holds. */
static bool is_begun(const struct green_group *g, const struct green *t)
{
	const struct green_defer *rec;

	for (rec = t->defers; rec; rec = rec->link)
		if (rec == &g->end)
			return true;
	return false;
}

/* 1: its end is still to be deferred. */
int rt_group_open(struct green_group *g)
{
	struct green *t = green_worker->current;
	bool begun = is_begun(g, t);

	if (begun && g->state == OPEN)
		return -EBUSY;
	memset(g, 0, offsetof(struct green_group, end));
	g->owner = t->handle;
	g->state = OPEN;
	object(g)->epoch = green_rt.epoch;
	return !begun;
}

int rt_group_deadline(struct green_group *g, uint64_t at)
{
	int err = lock(g);

	if (err)
		return err;
	if (g->users)
		err = -EBUSY;
	else
		g->deadline = at;
	green_object_unlock(object(g));
	return err;
}

/* Fills the group's place in: the group may have failed while the thread was made. */
static void add(struct green_group *g, struct child *c, struct green *t)
{
	t->ending = &c->ending;
	t->deadline = g->deadline;
	c->handle = (const green_t *)t->handle;
	green_spin_lock(&object(g)->lock, RANK_OBJECT);
	green_waiter_put(children(g), &c->link);
	c->cancelled = g->error;
	green_spin_lock(&t->lock, RANK_THREAD);
	t->detached = true;
	if (c->cancelled)
		__atomic_store_n(&t->cancel, CANCEL_ASKED, __ATOMIC_RELAXED);
	green_spin_unlock(&t->lock, RANK_THREAD);
	green_object_unlock(object(g));
	green_ready(t);
}

/* The place of a child that there will not be. */
static long give_back(struct green_group *g)
{
	struct green *owner;

	green_spin_lock(&object(g)->lock, RANK_OBJECT);
	owner = leave(g);
	green_object_unlock(object(g));
	if (owner)
		green_ready(owner);
	return -ENOMEM;
}

long rt_group_go(struct green_group *g, long (*fn)(void *), void *arg, long *result)
{
	struct child *c;
	struct green *t;
	long err = lock(g);

	if (err)
		return err;
	err = g->error;
	if (!err)
		g->users++;
	green_object_unlock(object(g));
	if (err)
		return err;
	c = malloc(sizeof(*c));
	if (!c)
		return give_back(g);
	*c = (struct child){ .ending.ended = ended, .group = g, .result = result };
	t = green_thread_prepare(green_worker, NULL, (void (*)(void *))(green_fn)fn, arg);
	if (!t) {
		free(c);
		return give_back(g);
	}
	add(g, c, t);
	return 0;
}

int rt_group_cancel(struct green_group *g)
{
	int err = lock(g);

	if (!err)
		fail(g, -ECANCELED);
	return err;
}

/* 0 if the current thread may wait for the group, with the lock. */
static int lock_to_wait(struct green_group *g)
{
	const struct green *t = green_worker->current;
	int err = lock(g);

	if (err)
		return err;
	if (g->owner == t->handle)
		return 0;
	err = t->ending && t->ending->ended == ended &&
	      ((const struct child *)t->ending)->group == g ? -EDEADLK : -EPERM;
	green_object_unlock(object(g));
	return err;
}

static const struct green_wait_kind waiting = { .name = "group", .abort = green_object_leave };

/*
 * 1 at the group's deadline, if that comes first: green_group_wait() calls again then, and
 * the deadline is found to have passed.
 */
static int may_wait(const struct green_group *g, struct green *t)
{
	uint64_t at = g->error ? 0 : g->deadline;

	if (green_cancel_point(t))
		return -ECANCELED;
	if (t->deadline && t->deadline <= green_now_ns())
		return -ETIMEDOUT;
	t->ret = 1;
	if (t->deadline && (!at || t->deadline < at)) {
		at = t->deadline;
		t->ret = -ETIMEDOUT;
	}
	return at ? green_wake_at(t, at) : 0;
}

long rt_group_await(struct green_group *g)
{
	struct green *t = green_worker->current;
	long err = lock_to_wait(g);

	if (err)
		return err;
	if (g->users && !g->error && g->deadline && g->deadline <= green_now_ns()) {
		fail(g, -ETIMEDOUT);
		green_spin_lock(&object(g)->lock, RANK_OBJECT);
	}
	err = g->users ? may_wait(g, t) : g->error;
	if (!err && g->users) {
		green_object_park(object(g), &waiting, NULL);
		return 0;
	}
	green_object_unlock(object(g));
	return err;
}

/*
 * The end is waited for whatever happens. If the last child has found the owner claimed,
 * by the one that asks here, the wait is over.
 */
static bool all_the_same(struct green *t)
{
	struct green_object *o = t->wait_on;
	bool over;

	green_spin_lock(&o->lock, RANK_OBJECT);
	over = !green_waits(&t->waiter);
	if (!over)
		green_unclaim(t);
	green_object_unlock(o);
	return over;
}

static const struct green_wait_kind ending = { .name = "group's end", .abort = all_the_same };

int rt_group_end(struct green_group *g)
{
	struct green *t = green_worker->current;
	int err = g->state == CLOSED ? 0 : lock_to_wait(g);

	if (err || g->state == CLOSED)
		return err;
	g->state = CLOSED;
	if (g->users) {
		fail(g, -ECANCELED);
		green_spin_lock(&object(g)->lock, RANK_OBJECT);
	}
	if (g->users) {
		t->ret = 0;
		green_object_park(object(g), &ending, NULL);
	} else {
		green_object_unlock(object(g));
	}
	return 0;
}
