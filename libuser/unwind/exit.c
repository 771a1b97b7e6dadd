/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Threads that end before their function returns: of their own will, by
 * green_exit(), or by green_cancel(), which makes a thread call green_exit() in
 * the place of the call that it waits in. Either way runner.S runs its defers.
 */
#include "arch/x86_64/frame.h"
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "unwind/defer.h"
#include "unwind/exit.h"
#include "unwind/key.h"

#include <errno.h>

/*
 * The next call of the runner green_exit(), or NULL. Nothing stops an exit: a
 * panic of a deferred function is not caught by what the exit has left behind.
 */
struct green_defer *rt_exit_next(void)
{
	struct green *t = green_worker->current;

	/* Without it nothing is to be called: this is its last line. */
	if (t->rare)
		t->rare->exiting = green_caller_sp(t);
	t->try = NULL;
	return t->defers ? green_defer_take(t) : green_destructor_take(t);
}

int green_exit_status(const struct green *t)
{
	return __atomic_load_n(&t->cancel, __ATOMIC_RELAXED) == CANCEL_DELIVERED ? -ECANCELED : 0;
}

/*
 * Rewrite the call that the thread stands in: its block moves down by a word,
 * so that its return address becomes green_cancelled, by which its return enters
 * green_exit(). The caller's frame looks as if it had called that itself.
 */
void green_cancel_deliver(struct green *t)
{
	struct green_saved s = *(struct green_saved *)t->sp;
	struct green *current = green_hide();

	__atomic_store_n(&t->cancel, CANCEL_DELIVERED, __ATOMIC_RELAXED);
	s.pc = (uintptr_t)green_cancelled;
	t->sp -= sizeof(s.pc);
	*(struct green_saved *)t->sp = s;
	green_show(current);
}

/* Defers that run already, for an exit or a panic, are let finish. */
bool green_cancel_is_due(const struct green *t)
{
	return __atomic_load_n(&t->cancel, __ATOMIC_RELAXED) == CANCEL_ASKED &&
	       !(t->rare && (t->rare->exiting || t->rare->panics));
}

bool green_cancel_obey(struct green *t)
{
	if (!green_cancel_is_due(t))
		return false;
	green_cancel_deliver(t);
	return true;
}
