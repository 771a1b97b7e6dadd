/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads and the scheduler. Its queues, and who waits for what: worker.c. */
#define _GNU_SOURCE
#include "internal.h"
#include "backend.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_TESTED_STACK	(64UL << 10)
#define DEFAULT_PLAIN_STACK	(256UL << 10)
#define DEFAULT_MAX_STACK	(16UL << 20)
#define DEFAULT_ARENA		(64UL << 30)
#define DEFAULT_GAP		(512UL << 10)

/*
 * The ring and the timers are looked at every so many switches, and at the first one
 * after so many ticks of the TSC, which are 0.2 ms at most: they must be, whatever
 * threads do between their switches.
 */
#define LOOK_SWITCHES	61
#define LOOK_TSC	200000

__thread struct green_worker *green_worker;

uint64_t green_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

green_t *green_self(void)
{
	struct green *t = green_worker ? green_worker->current : NULL;

	return t ? (green_t *)t->handle : NULL;
}

/*
 * Forced moves come here, when the thread has written down what it waits for:
 * the hardest moment, and the one that real moves meet.
 */
struct green *green_park(struct green_worker *w)
{
	struct green *t = w->current;

	green_set_current(w, NULL);
	t->state = STATE_PARKED;
	t->idle = 0;
	if (green_rt.debug.move_park)
		green_move(t, 0, NULL);
	return t;
}

void green_wake(struct green *t)
{
	green_timer_del(t);
	if (t->joining) {
		t->joining->joiner = NULL;
		t->joining = NULL;
	}
	green_ready(t);
}

/* A thread's timer rang: its sleep is over, or its deadline has come. */
void green_wake_expired(struct green *t)
{
	if (t->io.busy) {
		/* The operation's completion wakes it. */
		t->io.cancelled = true;
		green_uring_cancel(t);
		return;
	}
	t->timed_out = true;
	green_wake(t);
}

/* Did any ring? */
static bool fire_timers(void)
{
	bool any = false;
	struct green *t;
	uint64_t now;

	if (!green_rt.nr_timers)
		return false;
	now = green_now_ns();
	while ((t = green_timer_pop(now))) {
		green_wake_expired(t);
		any = true;
	}
	return any;
}

static bool time_to_look(struct green_worker *w)
{
	w->switched = __builtin_ia32_rdtsc();
	if (--w->ticks && w->switched - w->looked < LOOK_TSC)
		return false;
	w->ticks = LOOK_SWITCHES;
	w->looked = w->switched;
	return true;
}

/* What others wait for, while this worker has threads to run. */
static void look_around(struct green_worker *w)
{
	green_shrink_some(1);
	fire_timers();
	green_uring_poll(false, 0);
	if (green_shared)
		green_rescue(w);
}

/* From here on the thread is its own; the lock is given up. */
static struct green *run(struct green_worker *w, struct green *t)
{
	t->state = STATE_RUNNING;
	t->home = w;
	green_set_current(w, t);
	if (green_rt.nr_idle && !green_rt.poller)
		green_pass_on_the_ring();
	green_escape_switch(w, t);
	green_rt.stats.switches++;
	green_unlock();
	if (green_rt.debug.switch_module && green_rt.backend->resume)
		green_rt.backend->resume(green_switch_resume, t->sp, t);
	return t;
}

/*
 * Called by enter.S, again and again, with the lock: the next thread, or NULL at
 * the end; without it.
 */
struct green *green_schedule(struct green_worker *w)
{
	struct green *t;

	while (!green_rt.main_done) {
		if (time_to_look(w))
			look_around(w);
		t = green_next_thread(w);
		if (t)
			return run(w, t);
		/* What a timer wakes may be in another's queue, and that one busy. */
		if (!fire_timers())
			green_rest(w);
	}
	green_unlock();
	return NULL;
}

void rt_yield(void)
{
	struct green_worker *w = green_worker;

	if (!green_cancel_point(w->current))
		green_ready(green_park(w));
}

int rt_sleep_ns(uint64_t ns)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;
	uint64_t at = green_now_ns() + ns;
	int err;

	if (green_cancel_point(t))
		return -ECANCELED;
	if (at < ns)
		at = UINT64_MAX;
	t->ret = 0;
	if (t->deadline && t->deadline < at) {
		at = t->deadline;
		t->ret = -ETIMEDOUT;
	}
	err = green_timer_add(t, at);
	if (err)
		return err;
	green_park(w);
	return 0;
}

uint64_t rt_deadline(uint64_t at)
{
	struct green *t = green_worker->current;
	uint64_t old = t->deadline;

	t->deadline = at;
	return old;
}

/* Lay the stack out so that the first switch enters green_thread_entry. */
static void prepare_stack(struct green *t, void (*fn)(void *), void *arg)
{
	struct green_saved *s = (struct green_saved *)(t->hi - 16 - sizeof(*s));

	memset(s, 0, sizeof(*s));
	__asm__("stmxcsr %0" : "=m"(s->mxcsr));
	__asm__("fnstcw %0" : "=m"(s->fpucw));
	s->rbx = (uintptr_t)fn;
	s->r12 = (uintptr_t)arg;
	s->pc = (uintptr_t)green_thread_entry;
	t->sp = (uintptr_t)s;
}

/* green_go() can only say NULL. */
static void no_stack(void)
{
	static bool said;
	const char *why = green_arena_why();

	/* Of the first one green_run() says so. */
	if (green_rt.main && why)
		green_complain(&said, "no stack for a thread, of which %llu live: %s",
			       (unsigned long long)green_rt.stats.live, why);
}

static struct green *thread_new(struct green_worker *w, const struct green_attr *attr,
				void (*fn)(void *), void *arg)
{
	size_t size = attr && attr->stack_size ? attr->stack_size : green_rt.opt.stack_size;
	bool tests = green_map_flags_of((void *)fn) & GREEN_MAP_TESTS;
	struct green_slot *slot;
	struct green *t;

	if (!size && tests)
		size = green_rt.debug.stack ?: DEFAULT_TESTED_STACK;
	if (!size)
		size = DEFAULT_PLAIN_STACK;
	t = green_descriptor_get();
	if (!t)
		return NULL;
	t->guarded = !tests;
	t->gap = attr && attr->gap ? green_gap_round(attr->gap) : green_rt.opt.gap;
	slot = t->gap > GREEN_LARGEST_GAP ? NULL :
	       green_slot_get(size, tests ? SLOT_ANY : SLOT_GUARDED, green_gap_of(t, size),
			      UINTPTR_MAX);
	if (!slot) {
		no_stack();
		green_descriptor_put(t);
		return NULL;
	}
	green_stack_set(t, slot);
	green_depth_start(t);
	t->first_size = slot->size;
	t->home = w;
	t->timer = -1;
	t->name = attr ? attr->name : NULL;
	t->bound = attr && attr->bound;
	t->id = ++green_rt.stats.threads;
	green_rt.stats.live++;
	t->all_next = green_rt.all;
	t->all_link = &green_rt.all;
	if (green_rt.all)
		green_rt.all->all_link = &t->all_next;
	green_rt.all = t;
	prepare_stack(t, fn, arg);
	green_ready(t);
	return t;
}

static void thread_free(struct green *t)
{
	green_panics_free(t);
	green_escapes_free(t);
	*t->all_link = t->all_next;
	if (t->all_next)
		t->all_next->all_link = t->all_link;
	if (green_rt.shrink.next == t)
		green_rt.shrink.next = t->all_next;
	green_descriptor_put(t);
}

green_t *rt_go_opt(const struct green_attr *attr, void (*fn)(void *), void *arg)
{
	struct green *t = thread_new(green_worker, attr, fn, arg);

	return t ? (green_t *)t->handle : NULL;
}

green_t *rt_go(void (*fn)(void *), void *arg)
{
	return rt_go_opt(NULL, fn, arg);
}

/* enter.S: the thread's function has returned, or green_exit() is through. */
void rt_thread_exit(int ret)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;

	/* All scopes have been left, and those of green_exit() have been emptied. */
	if (t->defers)
		green_die(t, "it has ended, and a GREEN_SCOPE with deferred calls was left in a "
			  "way that libgreen does not see");
	green_set_current(w, NULL);
	t->state = STATE_DONE;
	green_rt.stats.live--;
	green_defers_free(t);
	green_segments_free(t);
	green_slot_put(t->slot);
	t->slot = NULL;
	if (t == green_rt.main) {
		green_stop(green_exit_status(t) ?: green_rt.main_is_void ? 0 : ret);
		return;
	}
	if (t->joiner) {
		green_timer_del(t->joiner);
		t->joiner->joining = NULL;
		t->joiner->ret = green_exit_status(t);
		green_ready(t->joiner);
		thread_free(t);
	} else if (t->detached) {
		thread_free(t);
	}
}

int rt_join(green_t *handle)
{
	struct green_worker *w = green_worker;
	struct green *self = w->current, *t = green_of(handle);
	int err;

	if (t == self)
		return -EDEADLK;
	if (!t || t->detached || t->joiner || t == green_rt.main)
		return -EINVAL;
	if (green_cancel_point(self))
		return -ECANCELED;
	if (t->state == STATE_DONE) {
		err = green_exit_status(t);
		thread_free(t);
		return err;
	}
	if (self->deadline) {
		err = green_timer_add(self, self->deadline);
		if (err)
			return err;
	}
	t->joiner = self;
	self->joining = t;
	/* What it returns if its timer ends the wait; else the exit says 0. */
	self->ret = -ETIMEDOUT;
	green_park(w);
	return 0;
}

int rt_detach(green_t *handle)
{
	struct green *t = green_of(handle);

	if (!t || t->detached || t->joiner)
		return -EINVAL;
	t->detached = true;
	if (t->state == STATE_DONE)
		thread_free(t);
	return 0;
}

int rt_stats(struct green_stats *s)
{
	*s = green_rt.stats;
	s->backend = green_rt.backend->name;
	return 0;
}

/* ---- green_run -------------------------------------------------------- */

static void set_defaults(struct green_options *opt)
{
	if (!opt->max_stack)
		opt->max_stack = DEFAULT_MAX_STACK;
	if (!opt->workers)
		opt->workers = 1;
	green_rt.any_arena = !opt->arena_size;
	if (!opt->arena_size)
		opt->arena_size = DEFAULT_ARENA;
	opt->arena_size &= ~(GREEN_PAGE - 1);
	opt->gap = opt->gap ? green_gap_round(opt->gap) : DEFAULT_GAP;
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
	err = green_uring_init();
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

static void runtime_exit(void)
{
	green_uring_exit();
	while (green_rt.all) {
		green_defers_free(green_rt.all);
		green_segments_free(green_rt.all);
		if (green_rt.all->slot && !green_rt.all->slot->slab)
			free(green_rt.all->slot);
		thread_free(green_rt.all);
	}
	green_descriptors_exit();
	free(green_rt.timers);
	green_stacks_exit();
	green_arena_exit();
	green_signal_stacks_exit();
	green_signals_exit();
	green_sigpipe_exit();
	green_fault_exit();
	green_workers_exit();
}

static int run_to_end(const struct green_options *opt, int (*main_fn)(void *), void *arg)
{
	static const struct green_attr attr = { .name = "main" };
	struct green_worker *w;
	int ret;

	ret = runtime_init(opt);
	if (ret)
		return ret;
	w = &green_rt.worker[0];
	green_be_worker(w);
	green_signal_stack(w);
	/* What it returns comes to rt_thread_exit(); the others' is noise. */
	green_rt.main = thread_new(w, &attr, (void (*)(void *))(green_fn)main_fn, arg);
	ret = green_rt.main ? green_workers_run() : no_first_thread();
	if (ret)
		green_fail(ret, "OS threads of workers: %s", strerrordesc_np(-ret));
	else
		ret = green_rt.main_ret;
	if (green_rt.deadlock)
		green_fail(ret, "deadlock: each of %llu threads waits for another",
			   (unsigned long long)green_rt.stats.live);
	green_uring_drain();
	green_signal_stack_exit(w);
	green_be_worker(NULL);
	runtime_exit();
	return ret;
}

static atomic_flag running = ATOMIC_FLAG_INIT;

void green_run_is_over(void)
{
	atomic_flag_clear(&running);
}

int green_run(const struct green_options *opt, int (*main_fn)(void *), void *arg)
{
	bool quiet = opt && opt->quiet;
	int ret;

	green_fail_begin();
	if (!atomic_flag_test_and_set(&running)) {
		ret = green_fork_init();
		if (ret)
			green_fail(ret, "pthread_atfork: %s", strerrordesc_np(-ret));
		else
			ret = run_to_end(opt, main_fn, arg);
		green_run_is_over();
	} else if (green_fork_may_run()) {
		ret = green_fork_run(run_to_end, opt, main_fn, arg);
	} else {
		ret = green_fail(-EBUSY, "it runs already in this process");
	}
	green_fail_end(quiet);
	return ret;
}
