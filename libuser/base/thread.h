/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A green thread. */
#ifndef GREEN_BASE_THREAD_H
#define GREEN_BASE_THREAD_H

#include "arch/x86_64/frame.h"
#include "base/lock.h"
#include "base/waiter.h"
#include "stack/segment.h"
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
} __attribute__((packed));

struct green_io;
struct green_rare;
struct green_try;
struct green_wait_kind;

/* Who is told of a thread's end: the first member of something larger. */
struct green_ending {
	/* The thread has no stack any more. @ret: what its function returned. */
	void (*ended)(struct green *t, long ret);
};

/*
 * Rows of 64 bytes. A switch takes what is in the first two; what few threads have is apart
 * (base/parts.h).
 */
struct green {
	/* For the assembly: offsets.c. */
	uintptr_t sp;			/* parked or inside the runtime: &green_saved */
	long ret;			/* what the runtime call returns */
	uintptr_t limit;		/* entry checks call green_stack_grow() below it */
	uintptr_t lo, hi;		/* the stack's usable range */
	struct green_rare *rare;	/* or NULL while it needed none */
	struct green *next;		/* in the run queue */
	struct green_worker *home;	/* it ran there last; only that has its TLS */

	const struct green_wait_kind *wait; /* for what it is parked */
	void *wait_on;			/* ... and in what: its kind knows */
	uint64_t since;			/* it runs or waits, in ticks of the TSC */
	enum green_state state;
	int timer;			/* its number in the timers of home, or -1 */
	unsigned int bound;		/* to its worker; nests */
	unsigned char idle;		/* looks of shrink.c since it parked */
	unsigned char first_size;	/* of its first slot */
	bool guarded : 1;		/* its first function tests nothing: no packed slots */
	bool sliced : 1;		/* it gave way at an entry test, and ret is its errno */
	bool all_held;			/* pins could not be told apart: pin.c */
	struct green_segment *segment;	/* the newest, or NULL while there is but one */
	struct green_slot *slot;	/* ... of it */
	struct green_io *io;		/* its call, or the last one; or NULL */

	struct green_waiter waiter;	/* with which it is in what it waits in */
	uint64_t deadline;		/* 0: none */
	struct green_defer *defers;	/* newest first */
	struct green_try *try;		/* the innermost, on the stack */
	uint64_t id;

	const char *name;
	struct green_ending *ending;	/* told of its end; from malloc(), freed with it */
	uint64_t moves;
	unsigned int gap;		/* bytes below the stacks that foreign code may run on */
	unsigned int pins;
	unsigned int held;		/* mutexes and rwlocks: held.h */
#ifdef GREEN_CHECKS
	const void *holds[4];		/* the first of them */
#endif

	/*
	 * From here on all outlives the thread: who has a handle may look at any time. The
	 * lock guards it, and keeps the thread from ending (RANK_THREAD). cancel is read by
	 * the thread itself without.
	 */
	struct green_spin lock;
	enum green_cancel cancel;
	bool detached;
	uintptr_t handle;
	struct green *joiner;		/* parked in green_join() on this thread */
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
