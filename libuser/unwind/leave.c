/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Frames that are left in another way than by returning: by longjmp() and its like,
 * by an exception, by whatever sets the stack pointer. A thread's bounds, limit,
 * segment, try and defers describe the stack that its sp is on; here they are brought
 * in line again. Three ways, by how much is known:
 *
 *	Before.	longjmp() and its like are libgreen's (jumps.c), and so is
 *		_Unwind_SetIP(), which whatever catches an exception calls. What lies
 *		below the target is intact then: defers of frames that are left run
 *		first, newest first, like those of a panic.
 *	At once. Where setjmp() and its like return in mapped code, that calls
 *		green_landed(): whoever jumped there, the segments are in line.
 *	Late.	The next call of the runtime, and the next entry check that finds the
 *		limit crossed, see that rsp is not in the newest segment; the end of an
 *		older segment sees that it is not the newest.
 *
 * Segments can be brought in line late: what is to be known of each stands at the top of
 * its slot, which is the thread's. Defers and tries that were left cannot, for frames
 * may have been written over them. So each has a mark that is looked at before it is
 * used (defer.c, panic.c), and without it the process ends with one line.
 */
#define _GNU_SOURCE
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "memory/arena.h"
#include "memory/slot.h"
#include "stack/bounds.h"
#include "stack/segment.h"
#include "unwind/defer.h"
#include "unwind/leave.h"
#include "unwind/panic.h"

#include <errno.h>
#include <setjmp.h>

/* ---- before ---------------------------------------------------------------- */

static bool defers_below(const struct green *t, uintptr_t target)
{
	uintptr_t scope = t->defers ? (uintptr_t)t->defers->argp : UINTPTR_MAX;

	return scope < target && green_on_stack(t, scope);
}

/* Are these frames of a green_exit()? */
static bool exits_below(const struct green *t, uintptr_t target)
{
	return t->rare && t->rare->exiting && t->rare->exiting < target;
}

/* All that was deferred below @target has run. */
static void leave(struct green *t, uintptr_t target)
{
	green_panics_leave(t, target);
	green_segments_drop(t, target);
}

/*
 * green_leave_frames(): the next call that was deferred in a frame below @target, or
 * NULL; then the thread is in line with a stack pointer there.
 */
const void *rt_leave_next(uintptr_t target)
{
	struct green *t = green_worker->current;

	if (exits_below(t, target))
		green_die(t, "longjmp() or an exception out of green_exit()");
	if (defers_below(t, target))
		return green_defer_take(t);
	leave(t, target);
	return NULL;
}

static bool on_signal_stack(uintptr_t addr)
{
	stack_t ss;

	return !sigaltstack(NULL, &ss) && ss.ss_flags & SS_ONSTACK &&
	       addr - (uintptr_t)ss.ss_sp < ss.ss_size;
}

/* Deferred calls may wait: not on the stack of a worker's signals. */
static void leave_from_handler(struct green *t, uintptr_t target)
{
	if (defers_below(t, target) || exits_below(t, target))
		green_die(t, "siglongjmp() from a signal handler over deferred calls");
	leave(t, target);
	green_set_limit(t->limit);
}

/*
 * A jump to @target is to come, and not within the newest segment. Are there frames of
 * this thread that it leaves? On the caller's stack, which may be a handler's.
 */
bool green_leaves_frames(uintptr_t target);
bool green_leaves_frames(uintptr_t target)
{
	const struct green_worker *w = green_worker;
	struct green *t = w->running;

	if (t && green_on_stack(t, target)) {
		if (!on_signal_stack((uintptr_t)__builtin_frame_address(0)))
			return true;
		leave_from_handler(t, target);
		return false;
	}
	if (green_in_slots(target) && !t)
		green_die(NULL, "longjmp() from a signal handler out of a call of libgreen");
	if (green_in_slots(target))
		green_die(t, "longjmp() to a stack that is not this thread's");
	if (target >= w->os_sp && target < w->os_hi)
		green_die(t, "longjmp() out of green_run()");
	/* A handler's own stack, or one that the program has made: nothing is left. */
	return false;
}

/* The last steps of a longjmp() are done on what its target has left. */
static bool on_spare(const struct green *t, uintptr_t addr)
{
	const struct green_slot *s;

	for (s = t->rare ? t->rare->spare : NULL; s; s = s->next)
		if (addr >= s->lo && addr < s->hi)
			return true;
	return false;
}

/* ---- at once, and late ------------------------------------------------------ */

/*
 * Where @sp is, which is not in the newest segment of the thread that runs, if any does.
 * From here to the end of this section all is called on the caller's stack.
 */
enum place {
	PLACE_OWN,			/* in an older one, which is the newest now */
	PLACE_PROGRAM,			/* a stack that the program has made */
	PLACE_NONE,			/* not a green thread's */
};

static enum place place_of(uintptr_t sp)
{
	struct green *t = green_worker->running;

	if (t && green_on_stack(t, sp)) {
		green_segments_drop(t, sp);
		return PLACE_OWN;
	}
	if (!green_in_arena(sp))
		return t ? PLACE_PROGRAM : PLACE_NONE;
	if (!green_in_slots(sp) || (t && on_spare(t, sp)))
		return PLACE_NONE;
	green_die(t, t ? "it runs on a stack that is not its own" :
			 "a call of libgreen was left by longjmp() or its like");
}

/* Does a call of the runtime come from a green thread? Not if a handler makes it. */
bool green_is_green_at(uintptr_t sp);
bool green_is_green_at(uintptr_t sp)
{
	enum place place = place_of(sp);

	return place == PLACE_OWN || (place == PLACE_PROGRAM && !on_signal_stack(sp));
}

/* Is there a stack to grow where an entry check has failed? */
bool green_grows_at(uintptr_t sp);
bool green_grows_at(uintptr_t sp)
{
	return place_of(sp) == PLACE_OWN;
}

/* ---- from green_run() --------------------------------------------------------- */

/* Where the stack of the calling OS thread ends. */
static uintptr_t end_of_stack(void)
{
	pthread_attr_t attr;
	void *lo = NULL;
	size_t size = 0;

	if (pthread_getattr_np(pthread_self(), &attr))
		return 0;
	pthread_attr_getstack(&attr, &lo, &size);
	pthread_attr_destroy(&attr);
	return (uintptr_t)lo + size;
}

/* Is what jump.S takes for the stack pointer in a jmp_buf that? */
static bool jmp_buf_is_known(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	jmp_buf env;

	if (setjmp(env))
		return false;
	return here - green_jmp_target(env) < 4096;
}

int green_leave_init(struct green_worker *w)
{
	if (!jmp_buf_is_known())
		return -EOPNOTSUPP;
	w->os_hi = end_of_stack();
	return 0;
}
