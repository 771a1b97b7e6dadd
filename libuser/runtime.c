/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* green_run(): what there is begins in this order, and ends in the reverse. */
#define _GNU_SOURCE
#include "arch/x86_64/frame.h"
#include "base/cpus.h"
#include "base/debug.h"
#include "base/fail.h"
#include "base/freeze.h"
#include "base/handle.h"
#include "base/held.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "fork.h"
#include "io/call.h"
#include "maps/registry.h"
#include "memory/arena.h"
#include "memory/slot.h"
#include "names.h"
#include "report/dump.h"
#include "sched/kick.h"
#include "sched/outside.h"
#include "sched/slice.h"
#include "sched/thread.h"
#include "sched/worker.h"
#include "signal/fault.h"
#include "signal/handler.h"
#include "signal/sigpipe.h"
#include "signal/stack.h"
#include "stack/pin.h"
#include "stack/refusal.h"
#include "stack/segment.h"
#include "sync/chan.h"
#include "sync/chan_wait.h"
#include "sync/sem.h"
#include "unwind/defer.h"
#include "unwind/key.h"
#include "unwind/leave.h"
#include "unwind/panic.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MAX_STACK	(16UL << 20)
#define DEFAULT_ARENA		(64UL << 30)
#define DEFAULT_GAP		(512UL << 10)
/* Threads that the report of a deadlock shows. */
#define MOST_DUMPED		100

#define LEAST_SLICE		1000000u

/* Nobody has asked for several: where they cannot be had there are fewer. */
static void set_workers(struct green_options *opt)
{
	size_t least;

	opt->workers = green_cpus();
	if (opt->workers > GREEN_MAX_WORKERS)
		opt->workers = GREEN_MAX_WORKERS;
	if (opt->workers > 1 && green_freeze_init())
		opt->workers = 1;
	while (opt->workers > 1 && green_arena_too_small(opt, &least))
		opt->workers--;
}

static void set_defaults(struct green_options *opt)
{
	if (!opt->max_stack)
		opt->max_stack = DEFAULT_MAX_STACK;
	green_rt.any_arena = !opt->arena_size;
	if (!opt->arena_size)
		opt->arena_size = DEFAULT_ARENA;
	opt->arena_size &= ~(GREEN_PAGE - 1);
	if (opt->slice && opt->slice < LEAST_SLICE)
		opt->slice = LEAST_SLICE;
	opt->gap = opt->gap ? green_gap_round(opt->gap) : DEFAULT_GAP;
	if (!opt->workers)
		set_workers(opt);
}

static int check_options(const struct green_options *opt)
{
	size_t least;

	if (opt->workers > GREEN_MAX_WORKERS)
		return green_fail(-EINVAL, "workers: %u are more than %u", opt->workers,
				  GREEN_MAX_WORKERS);
	if (opt->max_stack > GREEN_LARGEST_STACK)
		return green_fail(-EINVAL, "max_stack: %zu bytes are more than 2 GiB",
				  opt->max_stack);
	if (opt->stack_size > opt->max_stack)
		return green_fail(-EINVAL, "stack_size: %zu bytes are more than max_stack,"
				  " %zu", opt->stack_size, opt->max_stack);
	if (opt->gap > GREEN_LARGEST_GAP)
		return green_fail(-EINVAL, "gap: %zu bytes are more than 1 GiB", opt->gap);
	if (green_arena_too_small(opt, &least))
		return green_fail(-EINVAL, "arena_size: %zu bytes are less than %zu, which "
				  "%u workers and one thread take with gaps of %zu",
				  opt->arena_size, least, opt->workers, opt->gap);
	return 0;
}

static int no_first_thread(void)
{
	if (green_arena_why())
		return green_fail(-ENOMEM, "no stack for the first thread: %s",
				  green_arena_why());
	return green_fail(-EINVAL, "no stack for the first thread: max_stack is %zu bytes",
			  green_rt.opt.max_stack);
}

static int runtime_init(const struct green_options *opt)
{
	int err;

	memset(&green_rt, 0, sizeof(green_rt));
	green_rt.epoch = ++green_last_epoch;
	green_rt.began_ns = green_now_ns();
	green_rt.began_tsc = __builtin_ia32_rdtsc();
	green_refusals_clear();
	if (opt)
		green_rt.opt = *opt;
	set_defaults(&green_rt.opt);
	err = check_options(&green_rt.opt);
	if (err)
		return err;
	err = green_debug_parse(&green_rt.debug, getenv("GREEN_DEBUG"));
	if (err)
		return err;
	if (!green_rt.opt.slice)
		green_rt.debug.slice = 0;
	err = green_maps_init() ?: green_names_init();
	if (err)
		return green_fail(err, "pointer maps: %s", strerrordesc_np(-err));
	err = green_workers_init(green_rt.opt.workers);
	if (err)
		return green_fail(err, "workers: %s", strerrordesc_np(-err));
	err = green_leave_init(&green_rt.worker[0]);
	if (err) {
		green_fail(err, "the C library's jmp_buf is none that is known: %s", strerrordesc_np(-err));
		goto err_workers;
	}
	green_fault_init();
	green_sigpipe_init();
	green_signals_init();
	err = green_signal_stacks_init();
	if (err) {
		green_fail(err, "stacks for signal handlers: %s", strerrordesc_np(-err));
		goto err_signals;
	}
	err = green_arena_init();
	if (err)
		goto err_signal_stacks;
	green_stacks_init();
	err = green_io_init();
	if (err) {
		green_fail(err, "io_uring_setup: %s%s", strerrordesc_np(-err),
			   err == -ENOSYS || err == -EPERM ?
			   "; the kernel, kernel.io_uring_disabled (sysctl) or a container's "
			   "seccomp filter does not allow it" : "");
		goto err_stacks;
	}
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		green_rt.worker[i].after = green_rt.debug.move_call;
	green_rt.crossover = green_calibrate();
	return 0;

err_stacks:
	green_stacks_exit();
	green_arena_exit();
err_signal_stacks:
	green_signal_stacks_exit();
err_signals:
	green_signals_exit();
	green_sigpipe_exit();
	green_fault_exit();
err_workers:
	green_workers_exit();
	return err;
}

/* Those that are left: all that they have beside their descriptors. */
static void abandon_threads(void)
{
	for (unsigned long i = 0; i < green_descriptors(); i++) {
		struct green *t = green_thread_at(i);

		if (!t)
			continue;
		green_held_look(t, "was left at the end of green_run()");
		free(t->ending);
		green_defers_free(t);
		green_panics_free(t);
		green_values_free(t);
		green_escapes_free(t);
		green_segments_free(t);
		green_parts_abandon(t);
		if (t->slot && !t->slot->slab)
			free(t->slot);
	}
}

static void runtime_exit(void)
{
	green_io_exit();
	green_selections_exit();
	green_chans_exit();
	abandon_threads();
	green_descriptors_exit();
	green_stacks_exit();
	green_arena_exit();
	green_signal_stacks_exit();
	green_signals_exit();
	green_sigpipe_exit();
	green_fault_exit();
	green_workers_exit();
}

/* Run threads until all is over. */
static void enter(struct green_worker *w)
{
	w->doors = (struct green_doors){ green_stack_grow, green_exit, green_thread_destroy,
					 green_thread_end, green_sems_posted };
	green_stir(w);
	green_worker_enter(w);
	green_fork_end();
}

static void *work(void *arg)
{
	struct green_worker *w = arg;

	green_be_worker(w);
	green_signal_stack(w);
	enter(w);
	green_signal_stack_exit(w);
	green_be_worker(NULL);
	return NULL;
}

/* The caller is the first. */
static int workers_run(void)
{
	unsigned int i, nr;
	int err = 0;

	for (nr = 1; nr < green_rt.nr_workers && !err; nr++)
		err = -pthread_create(&green_rt.worker[nr].thread, NULL, work,
				      &green_rt.worker[nr]);
	if (err) {
		nr--;
		green_stop(err);
	}
	enter(&green_rt.worker[0]);
	green_slices_end();
	green_set_limit(0);
	/* A child of fork() has no others. */
	for (i = 1; i < nr && !green_rt.forked; i++)
		pthread_join(green_rt.worker[i].thread, NULL);
	return err;
}

static int run_to_end(const struct green_options *opt, int (*main_fn)(void *), void *arg)
{
	static const struct green_attr attr = { .name = "main" };
	struct green_stats stats;
	struct green_worker *w;
	int ret;

	ret = runtime_init(opt);
	if (ret)
		return ret;
	w = &green_rt.worker[0];
	green_be_worker(w);
	green_signal_stack(w);
	/* What it returns comes to rt_thread_exit(); the others' is noise. */
	green_rt.main = green_thread_new(w, &attr, (void (*)(void *))(green_fn)main_fn, arg);
	green_outside_open();
	ret = green_rt.main ? workers_run() : no_first_thread();
	green_outside_close(false);
	green_chans_shut();
	if (ret)
		green_fail(ret, "OS threads of workers: %s", strerrordesc_np(-ret));
	else
		ret = green_rt.main_ret;
	if (green_rt.deadlock) {
		if (!green_rt.opt.quiet && green_dump_threads(STDERR_FILENO, MOST_DUMPED) > MOST_DUMPED)
			green_trace_line("... of whom the first %d are shown", MOST_DUMPED);
		green_stats_sum(&stats);
		green_fail(ret, "deadlock: each of %llu threads waits for another",
			   (unsigned long long)stats.live);
	}
	green_io_drain();
	green_signal_stack_exit(w);
	green_be_worker(NULL);
	runtime_exit();
	return ret;
}

int green_run(const struct green_options *opt, int (*main_fn)(void *), void *arg)
{
	bool quiet = opt && opt->quiet;
	int ret;

	green_fail_begin();
	if (!atomic_flag_test_and_set(&green_runs)) {
		ret = green_fork_init();
		if (ret)
			green_fail(ret, "pthread_atfork: %s", strerrordesc_np(-ret));
		else
			ret = run_to_end(opt, main_fn, arg);
		atomic_flag_clear(&green_runs);
	} else if (green_fork_may_run()) {
		ret = green_fork_run(run_to_end, opt, main_fn, arg);
	} else {
		ret = green_fail(-EBUSY, "it runs already in this process");
	}
	green_fail_end(quiet);
	return ret;
}
