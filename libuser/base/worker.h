/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A worker: an OS thread that runs green threads. */
#ifndef GREEN_BASE_WORKER_H
#define GREEN_BASE_WORKER_H

#include "base/lock.h"
#include "base/pool.h"
#include "base/thread.h"
#include "memory/slot.h"
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Threads that are ready, the first that came first. */
struct green_queue {
	struct green *head, **tail;
	unsigned int nr;
};

/* When a timer rings, and its number. */
struct green_time {
	uint64_t at;			/* of green_now_ns() */
	unsigned int timer;
};

/* A heap of times, and what belongs to their numbers (sched/timer.c). */
struct green_timers {
	struct green_spin lock;		/* RANK_TIMERS; guards all of it */
	struct green_time *heap;
	unsigned int nr, max;
	struct green **thread;		/* by number: whose it is */
	unsigned int *place;		/* ... and where in the heap; or the next unused number */
	unsigned int unused;		/* the first of them; if nr == max there is none */
};

struct green_sem;

/*
 * Ways up: what assembly that all else rests on, and the inbox, call by way of the worker,
 * so that no file depends on one that stands above it.
 */
struct green_doors {
	void (*grow)(uint64_t need, uint64_t taken);	/* green_stack_grow() */
	void (*exit)(void);				/* green_exit() */
	long (*destroy)(long ret);			/* green_thread_destroy() */
	void (*end)(long ret);				/* green_thread_end() */
	void (*posted)(struct green_sem *list);		/* green_sems_posted() */
};

/* Free slots of one size, the last first. */
struct green_cache {
	struct green_slot *head;
	unsigned int nr;
};

struct green_sites;
struct green_uring;

struct green_worker {
	/* For the assembly: offsets.c. */
	uintptr_t sp;			/* top of the runtime's stack */
	struct green *current;		/* NULL while nobody runs */
	uintptr_t after;		/* not 0: call green_after() before a return */
	uintptr_t os_sp;		/* the OS thread's stack, a green_saved */
	struct green *running;		/* whose own code runs; NULL inside the runtime */
	const uintptr_t *frames;	/* sp of the current thread, or os_sp: for unwinders */
	struct green_doors doors;

	uintptr_t os_hi;		/* where the stack of green_run()'s caller ends, or 0 */

	struct green_spin lock;		/* RANK_QUEUE; guards what is marked Q */
	struct green_queue aside;	/* Q: stay here; before the others */
	struct green_queue runq;	/* Q */
	struct green_timers timers;	/* of threads that have parked here */
	struct green_stats stats;	/* what happened here; only this worker counts */
	struct green_sites *sites;	/* calls that proofs asked for; NULL until one does */
	struct green *unused;		/* descriptors, nr_unused of them */
	unsigned int nr_unused;
	uint64_t next_id, end_id;	/* ids for threads that begin here */
	uint64_t rested;		/* its switches when it went to rest last: shrink.c */
	unsigned int dealt;		/* threads of foreign code that have begun here */
	struct {			/* the function of the last that has begun here */
		const void *fn;
		unsigned int changes;	/* of the registry, when it was looked up */
		bool tests;		/* its stack */
	} started;
	unsigned int ticks;		/* switches to the next reading of the clock, of ... */
	unsigned int stride;		/* 1, or more while threads run for short */
	unsigned int turns;		/* switches since it looked around */
	uint64_t looked;		/* around, in ticks of the TSC */
	uint64_t clock;			/* its last reading, likewise */
	uint64_t seen;			/* its switches, when another worker saw them change, */
	uint64_t seen_at;		/* ... and when that was: steal.c */
	uintptr_t *limit;		/* of the OS thread: what entry tests compare rsp with */
	uint64_t over;			/* its switches, if who runs since then has for long: slice.c */
	unsigned int nr;
	bool rests;			/* Q: it has no thread, and waits in the poller */
	bool kicked;			/* Q: ... and somebody has told it to rise */
	bool still;			/* it touches nothing that is shared: freeze.c */
	struct green *parked;		/* the last to park here: schedule.c */
	struct green *yielded;		/* it is to run again, behind those that are ready */
	struct green_uring *uring;
	pthread_t thread;
	stack_t signal_stack, old_signal_stack;
	bool has_signal_stack;		/* the OS thread uses it */
	struct green_pool rares;	/* struct green_rare, */
	struct green_pool ios;		/* ... green_io */
	struct green_rare *reserve;	/* for the thread that runs, if a barrier needs one */
	struct green_escape *spare_escapes; /* ... many pins */
	struct green_cache cache[GREEN_SIZES];
};

/* The worker that this OS thread is, or NULL. */
extern __thread struct green_worker *green_worker
	__attribute__((tls_model("initial-exec")));

/* In the statistics of the worker that runs here. */
#define green_count(what, n)						\
	__atomic_store_n(&green_worker->stats.what, green_worker->stats.what + (n), \
			 __ATOMIC_RELAXED)

/*
 * While a thread's sp is not where its frames are, or they are about to go, it is not
 * the current one: a signal handler may unwind from here to wherever that says.
 */
static inline void green_set_current(struct green_worker *w, struct green *t)
{
	__asm__ volatile("" : : : "memory");
	w->current = t;
	w->frames = t ? &t->sp : &w->os_sp;
	__asm__ volatile("" : : : "memory");
}

static inline struct green *green_hide(void)
{
	struct green *t = green_worker->current;

	green_set_current(green_worker, NULL);
	return t;
}

static inline void green_show(struct green *t)
{
	green_set_current(green_worker, t);
}

#endif
