/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Barriers: who comes last lets all go on. */
#include "calls.h"
#include "sync/object.h"

#include <errno.h>

/* As if it had not come; if it is in no list, the others have gone on with it. */
static bool no_longer(struct green *t)
{
	struct green_barrier *b = t->wait_on;
	struct green_object *o = green_object_of(&b->sync);

	green_spin_lock(&o->lock, RANK_OBJECT);
	if (green_waits(&t->waiter)) {
		green_waiter_del(&o->waiters, &t->waiter);
		b->here--;
	}
	green_object_unlock(o);
	return true;
}

static const struct green_wait_kind waiting = { .name = "barrier", .abort = no_longer };

int rt_barrier_wait(struct green_barrier *b)
{
	struct green_object *o = green_object_of(&b->sync);
	struct green *all;
	int err = green_object_lock(o);

	if (err)
		return err;
	if (!b->count) {
		green_object_unlock(o);
		return -EINVAL;
	}
	/* All have gone on, or were of a run that has ended. */
	if (!o->waiters.first)
		b->here = 0;
	if (b->here + 1 < b->count) {
		err = green_object_may_wait(green_worker->current);
		if (err) {
			green_object_unlock(o);
			return err;
		}
		b->here++;
		green_object_park(o, &waiting, NULL);
		return 0;
	}
	all = green_object_all(o);
	green_object_unlock(o);
	green_ready_all(all);
	return 1;
}

int rt_barrier_destroy(struct green_barrier *b)
{
	struct green_object *o = green_object_of(&b->sync);

	return green_object_lock(o) ?: green_object_destroy(o, false);
}
