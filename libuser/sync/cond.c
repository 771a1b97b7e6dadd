/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Conditions. A thread that waits in one has its mutex in its waiter. It goes from the
 * condition's list into the mutex's, by the hand of who signals it, cancels it or brings its
 * deadline: nobody is woken only to find the mutex locked.
 */
#include "base/held.h"
#include "calls.h"
#include "sync/mutex.h"
#include "sync/object.h"

#include <errno.h>

static bool no_longer(struct green *t)
{
	green_object_leave(t);
	return green_mutex_retake(t->waiter.data, t);
}

static const struct green_wait_kind waiting = { .name = "condition", .abort = no_longer };

/*
 * The mutex is given up after the condition: a thread that has it then finds this one
 * waiting.
 */
int rt_cond_wait(struct green_cond *c, struct green_mutex *m)
{
	struct green_object *o = green_object_of(&c->sync);
	struct green *t = green_worker->current;
	int err;

	if (!green_mutex_is_mine(m, t))
		return -EPERM;
	err = green_object_lock(o);
	if (err)
		return err;
	if (o->waiters.first && o->waiters.first->data != m)
		err = -EINVAL;
	else
		err = green_object_may_wait(t);
	if (err) {
		green_object_unlock(o);
		return err;
	}
	green_holds_no_more(t, m);
	green_object_park(o, &waiting, m);
	green_mutex_pass_on(m);
	return 0;
}

static void signalled(struct green *t)
{
	struct green *next;

	for (; t; t = next) {
		next = t->next;
		if (green_mutex_retake(t->waiter.data, t))
			green_ready(t);
	}
}

int rt_cond_signal(struct green_cond *c)
{
	struct green_object *o = green_object_of(&c->sync);
	struct green *t;
	int err = green_object_lock(o);

	if (err)
		return err;
	t = green_object_first(o);
	green_object_unlock(o);
	signalled(t);
	return 0;
}

int rt_cond_broadcast(struct green_cond *c)
{
	struct green_object *o = green_object_of(&c->sync);
	struct green *t;
	int err = green_object_lock(o);

	if (err)
		return err;
	t = green_object_all(o);
	green_object_unlock(o);
	signalled(t);
	return 0;
}

int rt_cond_destroy(struct green_cond *c)
{
	struct green_object *o = green_object_of(&c->sync);

	return green_object_lock(o) ?: green_object_destroy(o, false);
}
