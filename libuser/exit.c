/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Threads that end before their function returns: of their own will, by
 * green_exit(), or by green_cancel(), which makes a thread call green_exit() in
 * the place of the call that it waits in. Either way enter.S runs its defers.
 */
#include "internal.h"

#include <errno.h>

/*
 * The next call of the runner green_exit(), or NULL. Nothing stops an exit: a
 * panic of a deferred function is not caught by what the exit has left behind.
 */
struct green_defer *rt_exit_next(void)
{
	struct green *t = green_worker->current;

	t->exiting = green_caller_sp(t);
	t->try = NULL;
	return t->defers ? green_defer_take(t) : NULL;
}

/* enter.S, for calls that have nothing to return in such a case. */
_Noreturn void green_outside(void);
_Noreturn void green_outside(void)
{
	green_die(NULL, "green_exit() or green_try() outside of a green thread");
}

int green_exit_status(const struct green *t)
{
	return t->cancel == CANCEL_DELIVERED ? -ECANCELED : 0;
}

/*
 * Rewrite the call that the thread stands in: its block moves down by a word,
 * so that its return address becomes that of green_exit(), which its return
 * enters. The caller's frame looks as if it had called green_exit() itself.
 */
static void deliver(struct green *t)
{
	struct green_saved s = *(struct green_saved *)t->sp;
	struct green *current = green_hide();

	t->cancel = CANCEL_DELIVERED;
	s.pc = (uintptr_t)green_exit;
	t->sp -= sizeof(s.pc);
	*(struct green_saved *)t->sp = s;
	green_show(current);
}

/* Defers that run already, for an exit or a panic, are let finish. */
static bool due(const struct green *t)
{
	return t->cancel == CANCEL_ASKED && !t->exiting && !t->panics;
}

bool green_cancel_point(struct green *t)
{
	if (!due(t))
		return false;
	deliver(t);
	return true;
}

/* A call that is over, though its thread has not run since, keeps its result. */
int rt_cancel(green_t *handle)
{
	struct green *t = green_of(handle);

	if (!t || t->state == STATE_DONE)
		return -EINVAL;
	if (t->cancel != CANCEL_NONE)
		return 0;
	t->cancel = CANCEL_ASKED;
	if (t->state != STATE_PARKED || !due(t))
		return 0;
	if (!t->io.busy) {
		deliver(t);
		green_wake(t);
	} else if (!t->io.anyway) {
		/* Its CQE wakes it, and says whether this came too late. */
		green_timer_del(t);
		t->io.cancelled = true;
		green_uring_cancel(t);
	}
	return 0;
}
