/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What workers share. */
#ifndef GREEN_BASE_RUNTIME_H
#define GREEN_BASE_RUNTIME_H

#include <green.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GREEN_POISON 0x67		/* 'g' */

struct green_debug {
	unsigned int stack;		/* bytes of first stacks of mapped functions */
	bool move_park;			/* move each stack when it parks */
	bool move_call;			/* ... in each runtime call */
	unsigned int move_entry;	/* ... in one of so many entry checks */
	unsigned int slice;		/* a slice is over in one of so many entry checks */
	bool seal;			/* a stack that was left is inaccessible */
	bool poison;
	bool verify;
	bool nomove;
	bool user_backend;
	bool mappings;			/* seal by mappings, as before guard markers */
	bool switch_module;
	unsigned int skip;		/* leave out one adjustment in skip */
	unsigned int trace;
};

struct green;
struct green_worker;
struct green_backend;
struct green_poller;
struct green_files;

/*
 * What workers share: set before they begin, or atomic, or guarded as it says. What a
 * worker needs for itself is in struct green_worker.
 */
struct green_runtime {
	struct green_worker *worker;
	unsigned int nr_workers;
	const struct green_poller *poller;
	atomic_uint nr_idle;		/* workers that rest, or are about to */
	atomic_uint rises;		/* how often one has ceased to */
	atomic_bool watched;		/* one of them looks after those that are busy */
	_Atomic uint64_t ids;		/* that workers have taken */
	struct {			/* stack/shrink.c */
		atomic_flag busy;	/* a worker looks; guards what follows */
		unsigned long next;	/* whose turn it is, of ... */
		unsigned long end;	/* descriptors; next == end: a pass is over */
		_Atomic uint64_t began;	/* the pass, in nanoseconds; read by all */
		bool quiet;		/* nothing has run since */
		unsigned int left;	/* passes until all is looked at */
	} shrink;
	uint64_t began_ns, began_tsc;	/* when green_run() began, by both clocks */
	uint64_t epoch;			/* no other run's, nor the parent's of fork() */
	_Atomic uint64_t signals_looked;	/* shrink.began, when handlers were looked at last */
	struct green *main;
	int main_ret;
	atomic_bool main_done;
	bool main_is_void;		/* it was not green_run()'s: its result is noise */
	bool forked;			/* in a child: fork.c */
	bool forked_elsewhere;		/* ... which does not return from green_run() */
	bool forked_inside;		/* ... by a signal handler: it cannot go on */
	bool deadlock;			/* ... as nobody could go on */
	bool any_arena;			/* of the default size, or what can be had */
	struct green_debug debug;
	const struct green_backend *backend;
	size_t crossover;		/* stacks that use less are copied */
	bool arena_full;		/* it had no room for a slot */
	struct green_files *files;
	struct green_options opt;
};

/*
 * Static variables that green_run() sets up, all of them: a child of fork() that calls
 * green_run() in a green thread puts them aside (fork.c).
 */
#define GREEN_PER_RUN __attribute__((section("green_per_run")))

/* Nobody's but libgreen's: reached without the table of symbols. */
#define GREEN_OWN __attribute__((visibility("hidden")))

extern struct green_runtime green_rt GREEN_OWN;
/* Of green_rt.epoch, the last one. */
extern uint64_t green_last_epoch;
/* More than one worker? */
extern int green_shared GREEN_OWN;
/* Does green_run() run? */
extern atomic_flag green_runs;

#endif
