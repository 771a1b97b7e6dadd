/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Wait groups: a count, and those that wait until it is 0. */
#include "calls.h"
#include "sched/outside.h"
#include "sync/object.h"

#include <errno.h>

static const struct green_wait_kind waiting = {
	.name = "wait group", .abort = green_object_leave,
};

int rt_waitgroup_add(struct green_waitgroup *g, int n)
{
	struct green_object *o = green_object_of(&g->sync);
	struct green *all = NULL;
	int sum, err = green_object_lock(o);

	if (err)
		return err;
	if (__builtin_add_overflow(g->count, n, &sum)) {
		err = -EOVERFLOW;
	} else if (sum < 0) {
		err = -EINVAL;
	} else {
		g->count = sum;
		if (!sum)
			all = green_object_all(o);
	}
	green_object_unlock(o);
	green_ready_all(all);
	return err;
}

int rt_waitgroup_done(struct green_waitgroup *g)
{
	return rt_waitgroup_add(g, -1);
}

int rt_waitgroup_wait(struct green_waitgroup *g)
{
	struct green_object *o = green_object_of(&g->sync);
	int err = green_object_lock(o);

	if (err)
		return err;
	if (g->count)
		return green_object_wait(o, &waiting);
	green_object_unlock(o);
	return 0;
}

int rt_waitgroup_destroy(struct green_waitgroup *g)
{
	struct green_object *o = green_object_of(&g->sync);

	return green_object_lock(o) ?: green_object_destroy(o, g->count);
}

int rt_waitgroup_add_outside(struct green_waitgroup *g, int n)
{
	return green_outside_call(rt_waitgroup_add, g, n, 0);
}

int rt_waitgroup_done_outside(struct green_waitgroup *g)
{
	return rt_waitgroup_add_outside(g, -1);
}
