/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * green_once(), which the header makes of these: the caller of whom _begin() says 1 calls
 * the function, and then _done(). _leave(), which it has deferred, hands that over to the
 * next one if the function did not return. So the function runs on the caller's stack,
 * between frames that have maps.
 */
#include "base/handle.h"
#include "calls.h"
#include "sync/object.h"

#include <errno.h>

static const struct green_wait_kind waiting = { .name = "once", .abort = green_object_leave };

int rt_once_begin(struct green_once *once)
{
	struct green_object *o = green_object_of(&once->sync);
	struct green *t = green_worker->current;
	int ret = green_object_lock(o);

	if (ret)
		return ret;
	/* Of a run that has ended, perhaps. */
	if (!green_of((const green_t *)once->owner))
		once->owner = 0;
	if (once->owner && once->owner != t->handle)
		return green_object_wait(o, &waiting);
	if (once->owner) {
		ret = -EDEADLK;
	} else if (!once->done) {
		once->owner = t->handle;
		ret = 1;
	}
	green_object_unlock(o);
	return ret;
}

int rt_once_done(struct green_once *once)
{
	struct green_object *o = green_object_of(&once->sync);
	struct green *all = NULL;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (once->owner == green_worker->current->handle) {
		once->owner = 0;
		/* green_once() looks without the lock. */
		__atomic_store_n(&once->done, 1, __ATOMIC_RELEASE);
		all = green_object_all(o);
	} else {
		err = -EPERM;
	}
	green_object_unlock(o);
	green_ready_all(all);
	return err;
}

int rt_once_leave(struct green_once *once)
{
	struct green_object *o = green_object_of(&once->sync);
	struct green *next = NULL;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (once->owner == green_worker->current->handle) {
		next = green_object_first(o);
		once->owner = next ? next->handle : 0;
		if (next)
			next->ret = 1;
	}
	green_object_unlock(o);
	if (next)
		green_ready(next);
	return 0;
}
