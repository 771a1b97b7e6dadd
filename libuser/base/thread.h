/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A green thread. */
#ifndef GREEN_BASE_THREAD_H
#define GREEN_BASE_THREAD_H

#include "base/lock.h"
#include "base/waiter.h"
#include "io/call.h"
#include "stack/pin.h"
#include "stack/segment.h"
#include "unwind/panic.h"
#include <green.h>
#include <stdbool.h>
#include <stdint.h>

/* Who owns the thread: its stack, and all of struct green that has no other owner. */
enum green_state {
	STATE_UNUSED,		/* nobody: the descriptor has no thread */
	STATE_READY,		/* who has the lock of the queue that it is in */
	STATE_RUNNING,		/* the worker that runs it */
	STATE_PARKED,		/* nobody, until it is claimed or moved: sched/wait.h */
	STATE_MOVING,		/* who moves its stack */
	STATE_CLAIMED,		/* who ends its wait */
	STATE_DONE,		/* who has its lock */
};

/* How far a green_cancel() has come. */
enum green_cancel {
	CANCEL_NONE,
	CANCEL_ASKED,		/* to be delivered at the next park */
	CANCEL_DELIVERED,
};

struct green_values;
struct green_wait_kind;

/* Who is told of a thread's end: the first member of something larger. */
struct green_ending {
	/* The thread has no stack any more. @ret: what its function returned. */
	void (*ended)(struct green *t, long ret);
};

struct green {
	/* For the assembly: offsets.c. */
	uintptr_t sp;			/* parked or inside the runtime: &green_saved */
	long ret;			/* what the runtime call returns */
	uintptr_t limit;		/* entry checks call green_stack_grow() below it */
	uintptr_t lo, hi;		/* the stack's usable range */
	struct green_try *try;		/* the innermost, on the stack */
	struct green_panic *panics;	/* on their way, newest first */
	struct green_slot *slot;	/* of the newest segment */
	struct green_segment *segment;	/* ... or NULL while there is but one */
	struct green_slot *spare;	/* slots of segments that were left */
	struct green_values *values;	/* of keys, or NULL while there was none: unwind/key.c */
	unsigned int first_size;	/* of its first slot */
	unsigned int idle;		/* looks of shrink.c since it parked */
	unsigned int crossings;		/* of border, without a proof */
	uintptr_t border;		/* its sp when a refusal last made it begin a segment */
	unsigned int border_kind;	/* ... of refusal: refusal.c */
	uintptr_t depth_hi;		/* of its first segment, which has no struct: depth.c */

	struct green *next;		/* in the run queue */
	struct green_worker *home;	/* it ran there last; only that has its TLS */
	enum green_state state;
	unsigned int pins;
	unsigned int bound;		/* to its worker; nests */
	bool guarded;			/* its first function tests nothing: no packed slots */
	size_t gap;			/* below the stacks that foreign code may run on */
	const char *name;
	uint64_t id;
	uint64_t moves;
	struct green_defer *defers;	/* newest first */
	struct green_defer call;	/* handed to a runner; fn is NULL once it has it */
	struct green_panic *caught;	/* whose text green_try() last returned */
	unsigned int held;		/* mutexes and rwlocks: held.h */
#ifdef GREEN_CHECKS
	const void *holds[4];		/* the first of them */
#endif
	struct green_ending *ending;	/* told of its end; from malloc(), freed with it */
	uintptr_t exiting;		/* sp of green_exit(), which is not to be left; or 0 */
	const struct green_wait_kind *wait; /* for what it is parked */
	void *wait_on;			/* ... and in what: its kind knows */
	struct green_waiter waiter;	/* with which it is in that */
	uint64_t since;			/* it runs or waits, in ticks of the TSC */
	uint64_t deadline;		/* 0: none */
	int timer;			/* its number in the timers of home, or -1 */
	struct green_io io;
	struct green_escapes escapes;

	/*
	 * From here on all outlives the thread: who has a handle may look at any time. The
	 * lock guards it, and keeps the thread from ending (RANK_THREAD). cancel is read by
	 * the thread itself without.
	 */
	struct green_spin lock;
	uintptr_t handle;
	struct green *joiner;		/* parked in green_join() on this thread */
	enum green_cancel cancel;
	bool detached;
};

/* State changes are how the thread passes from owner to owner. */
static inline enum green_state green_state(const struct green *t)
{
	return __atomic_load_n(&t->state, __ATOMIC_ACQUIRE);
}

static inline void green_set_state(struct green *t, enum green_state state)
{
	__atomic_store_n(&t->state, state, __ATOMIC_RELEASE);
}

/* In a call of the runtime: the sp of who called. */
static inline uintptr_t green_caller_sp(const struct green *t)
{
	return t->sp + sizeof(struct green_saved);
}

#endif
