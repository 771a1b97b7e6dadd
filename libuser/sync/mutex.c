/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Mutexes. The owner's handle stands in it; who unlocks it while others wait makes the
 * first of them its owner. So whoever waits gets it in turn, and nobody overtakes.
 *
 * A thread comes to wait in one by green_mutex_lock(), or by way of green_cond_wait(),
 * which is not over before it has the mutex again, be the thread cancelled: its deferred
 * calls run with the mutex held, as they would without the wait.
 */
#include "base/fail.h"
#include "base/handle.h"
#include "base/held.h"
#include "calls.h"
#include "sync/mutex.h"
#include "sync/object.h"
#include "unwind/exit.h"

#include <errno.h>

static bool again(struct green *t);

static const struct green_wait_kind locking = { .name = "mutex", .abort = green_object_leave };
static const struct green_wait_kind retaking = { .name = "mutex of a condition", .abort = again };

static void own(struct green_mutex *m, struct green *t)
{
	m->owner = t->handle;
	green_holds(t, m);
}

/* A thread that is gone can give nothing back. */
static int wait_error(const struct green_mutex *m, const struct green *t)
{
	if (m->owner == t->handle)
		return -EDEADLK;
	return green_of((const green_t *)m->owner) ? 0 : -ENOTRECOVERABLE;
}

int rt_mutex_lock(struct green_mutex *m)
{
	struct green_object *o = green_object_of(&m->sync);
	struct green *t = green_worker->current;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (m->owner) {
		err = wait_error(m, t);
		if (!err)
			return green_object_wait(o, &locking);
	} else {
		own(m, t);
	}
	green_object_unlock(o);
	return err;
}

int rt_mutex_trylock(struct green_mutex *m)
{
	struct green_object *o = green_object_of(&m->sync);
	struct green *t = green_worker->current;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (m->owner)
		err = wait_error(m, t) ?: -EBUSY;
	else
		own(m, t);
	green_object_unlock(o);
	return err;
}

/* With the lock: who has it now, to be made ready; or NULL. */
static struct green *hand_over(struct green_mutex *m)
{
	struct green_waiter *w = green_waiter_claim(&green_object_of(&m->sync)->waiters);
	struct green *t = w ? w->t : NULL;

	m->owner = 0;
	if (!t)
		return NULL;
	own(m, t);
	if (t->wait == &locking)
		t->ret = 0;
	else if (t->ret)
		/* Its green_cond_wait() was not signalled: it may end in it. */
		green_cancel_point(t);
	return t;
}

int rt_mutex_unlock(struct green_mutex *m)
{
	struct green_object *o = green_object_of(&m->sync);
	struct green *t = green_worker->current, *next = NULL;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (m->owner == t->handle) {
		green_holds_no_more(t, m);
		next = hand_over(m);
	} else {
		err = -EPERM;
	}
	green_object_unlock(o);
	if (next)
		green_ready(next);
	return err;
}

int rt_mutex_destroy(struct green_mutex *m)
{
	struct green_object *o = green_object_of(&m->sync);

	return green_object_lock(o) ?: green_object_destroy(o, m->owner);
}

/* ---- for conditions ------------------------------------------------------ */

bool green_mutex_is_mine(struct green_mutex *m, const struct green *t)
{
	struct green_object *o = green_object_of(&m->sync);
	bool mine;

	if (green_object_lock(o))
		return false;
	mine = m->owner == t->handle;
	green_object_unlock(o);
	return mine;
}

void green_mutex_pass_on(struct green_mutex *m)
{
	struct green_object *o = green_object_of(&m->sync);
	struct green *next;

	green_spin_lock(&o->lock, RANK_OBJECT);
	next = hand_over(m);
	green_object_unlock(o);
	if (next)
		green_ready(next);
}

/*
 * It keeps its place, if it has one: it is asked to leave, and does not. If an unlocking
 * thread has passed it over meanwhile, since it was claimed, it has none.
 */
static bool again(struct green *t)
{
	struct green_mutex *m = t->wait_on;
	struct green_object *o = green_object_of(&m->sync);
	bool has_it;

	green_spin_lock(&o->lock, RANK_OBJECT);
	if (o->epoch == GREEN_OBJECT_GONE)
		green_die(t, "the mutex of its green_cond_wait() has been destroyed");
	has_it = !green_waits(&t->waiter) && !m->owner;
	if (has_it)
		own(m, t);
	else if (!green_waits(&t->waiter))
		green_waiter_put(&o->waiters, &t->waiter);
	if (!has_it)
		green_unclaim(t);
	green_object_unlock(o);
	return has_it;
}

bool green_mutex_retake(struct green_mutex *m, struct green *t)
{
	t->wait = &retaking;
	t->wait_on = m;
	return again(t);
}
