/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Semaphores: while anybody waits, who posts gives to the first of them. */
#include "calls.h"
#include "sync/object.h"

#include <errno.h>
#include <limits.h>

static const struct green_wait_kind waiting = {
	.name = "semaphore", .abort = green_object_leave,
};

static int down(struct green_sem *s, bool wait)
{
	struct green_object *o = green_object_of(&s->sync);
	int err = green_object_lock(o);

	if (err)
		return err;
	if (!s->count && wait)
		return green_object_wait(o, &waiting);
	if (s->count)
		s->count--;
	else
		err = -EAGAIN;
	green_object_unlock(o);
	return err;
}

int rt_sem_wait(struct green_sem *s)
{
	return down(s, true);
}

int rt_sem_trywait(struct green_sem *s)
{
	return down(s, false);
}

int rt_sem_post(struct green_sem *s)
{
	struct green_object *o = green_object_of(&s->sync);
	struct green *t;
	int err = green_object_lock(o);

	if (err)
		return err;
	t = green_object_first(o);
	if (!t && s->count == UINT_MAX)
		err = -EOVERFLOW;
	else if (!t)
		s->count++;
	green_object_unlock(o);
	if (t)
		green_ready(t);
	return err;
}

int rt_sem_destroy(struct green_sem *s)
{
	struct green_object *o = green_object_of(&s->sync);

	return green_object_lock(o) ?: green_object_destroy(o, false);
}
