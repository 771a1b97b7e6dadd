/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* green_cancel(): whatever a thread waits for, its kind of wait knows how to end that. */
#include "base/freeze.h"
#include "base/handle.h"
#include "base/lock.h"
#include "base/thread.h"
#include "calls.h"
#include "sched/cancel.h"
#include "sched/outside.h"
#include "sched/wait.h"
#include "unwind/exit.h"

#include <errno.h>

bool green_cancel_was_asked(const struct green *t)
{
	return __atomic_load_n(&t->cancel, __ATOMIC_RELAXED) == CANCEL_ASKED;
}

/*
 * Held and not claimed while it is looked at: if nothing is due, or @t is another thread by
 * now, whoever ends its wait must not miss it.
 */
static bool claim_if_due(struct green *t)
{
	enum green_state state;

	while (!green_hold(t)) {
		state = green_state(t);
		/* It may have been moved, and wait on. */
		if (state != STATE_MOVING && state != STATE_PARKED)
			return false;
		__builtin_ia32_pause();
	}
	if (green_cancel_is_due(t)) {
		green_set_state(t, STATE_CLAIMED);
		return true;
	}
	green_let_go(t);
	return false;
}

/* A call that is over, though its thread has not run since, keeps its result. */
void green_cancel_now(struct green *t)
{
	if (!claim_if_due(t))
		return;
	if (t->wait->abort && !t->wait->abort(t))
		return;
	green_cancel_point(t);
	green_ready(t);
}

int rt_cancel(green_t *handle)
{
	struct green *t = green_of_locked(handle);
	int err = t && green_state(t) != STATE_DONE ? 0 : -EINVAL;
	bool now = !err && __atomic_load_n(&t->cancel, __ATOMIC_RELAXED) == CANCEL_NONE;

	if (now)
		__atomic_store_n(&t->cancel, CANCEL_ASKED, __ATOMIC_RELAXED);
	if (t)
		green_spin_unlock(&t->lock, RANK_THREAD);
	if (!now)
		return err;
	/* Either it sees that when it has parked (schedule.c), or here it has. */
	if (green_shared)
		green_barrier_for_all();
	green_cancel_now(t);
	return 0;
}

int rt_cancel_outside(green_t *handle)
{
	return green_outside_call(rt_cancel, handle, 0, 0);
}
