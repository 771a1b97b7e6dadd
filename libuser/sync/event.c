/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Events: set, or not yet. */
#include "calls.h"
#include "sched/outside.h"
#include "sync/object.h"

#include <errno.h>

static const struct green_wait_kind waiting = { .name = "event", .abort = green_object_leave };

int rt_event_set(struct green_event *e)
{
	struct green_object *o = green_object_of(&e->sync);
	struct green *all;
	int err = green_object_lock(o);

	if (err)
		return err;
	e->is_set = 1;
	all = green_object_all(o);
	green_object_unlock(o);
	green_ready_all(all);
	return 0;
}

int rt_event_clear(struct green_event *e)
{
	struct green_object *o = green_object_of(&e->sync);
	int err = green_object_lock(o);

	if (err)
		return err;
	e->is_set = 0;
	green_object_unlock(o);
	return 0;
}

int rt_event_wait(struct green_event *e)
{
	struct green_object *o = green_object_of(&e->sync);
	int err = green_object_lock(o);

	if (err)
		return err;
	if (!e->is_set)
		return green_object_wait(o, &waiting);
	green_object_unlock(o);
	return 0;
}

int rt_event_destroy(struct green_event *e)
{
	struct green_object *o = green_object_of(&e->sync);

	return green_object_lock(o) ?: green_object_destroy(o, false);
}

int rt_event_set_outside(struct green_event *e)
{
	return green_outside_call(rt_event_set, e, 0, 0);
}

int rt_event_clear_outside(struct green_event *e)
{
	return green_outside_call(rt_event_clear, e, 0, 0);
}
