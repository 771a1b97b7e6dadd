/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads and the scheduler: one worker, one first-in-first-out run queue. */
#include "internal.h"
#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_MAPPED_STACK	(64UL << 10)
#define DEFAULT_PLAIN_STACK	(256UL << 10)
#define DEFAULT_MAX_STACK	(16UL << 20)
#define DEFAULT_ARENA		(64UL << 30)

/* Every so many switches the ring and the timers are looked at. */
#define POLL_TICKS 61

__thread struct green_worker *green_worker;

uint64_t green_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

green_t *green_self(void)
{
	return green_worker ? green_worker->current : NULL;
}

void green_ready(struct green *t)
{
	struct green_worker *w = green_worker;

	t->state = STATE_READY;
	t->next = NULL;
	*w->runq_tail = t;
	w->runq_tail = &t->next;
}

static struct green *runq_pop(struct green_worker *w)
{
	struct green *t = w->runq_head;

	if (!t)
		return NULL;
	w->runq_head = t->next;
	if (!w->runq_head)
		w->runq_tail = &w->runq_head;
	return t;
}

/*
 * Forced moves come here, when the thread has written down what it waits for:
 * the hardest moment, and the one that real moves meet.
 */
struct green *green_park(struct green_worker *w)
{
	struct green *t = w->current;

	w->current = NULL;
	t->state = STATE_PARKED;
	if (w->debug.move_park)
		green_move(w, t, 0, NULL);
	return t;
}

void green_wake(struct green_worker *w, struct green *t)
{
	green_timer_del(w, t);
	if (t->joining) {
		t->joining->joiner = NULL;
		t->joining = NULL;
	}
	green_ready(t);
}

/* A thread's timer rang: its sleep is over, or its deadline has come. */
void green_wake_expired(struct green_worker *w, struct green *t)
{
	if (t->io.busy) {
		/* The operation's completion wakes it. */
		t->io.cancelled = true;
		green_uring_cancel(w, t);
		return;
	}
	t->timed_out = true;
	green_wake(w, t);
}

static void fire_timers(struct green_worker *w)
{
	struct green *t;
	uint64_t now;

	if (!w->nr_timers)
		return;
	now = green_now_ns();
	while ((t = green_timer_pop(w, now)))
		green_wake_expired(w, t);
}

static struct green *run(struct green_worker *w, struct green *t)
{
	t->state = STATE_RUNNING;
	w->current = t;
	green_escape_switch(t);
	w->stats.switches++;
	if (w->debug.switch_module && w->backend->resume)
		w->backend->resume(green_switch_resume, t->sp, t);
	return t;
}

/* Called by enter.S, again and again: the next thread, or NULL at the end. */
struct green *green_schedule(struct green_worker *w)
{
	struct green *t;
	bool in_flight;

	for (;;) {
		if (w->main_done)
			return NULL;
		if (++w->ticks % POLL_TICKS == 0) {
			fire_timers(w);
			green_uring_poll(w, false, 0);
		}
		t = runq_pop(w);
		if (t)
			return run(w, t);
		fire_timers(w);
		if (w->runq_head)
			continue;
		in_flight = green_uring_poll(w, true, green_timer_next(w));
		if (!in_flight && !w->nr_timers && !w->runq_head) {
			w->main_ret = -EDEADLK;
			return NULL;
		}
	}
}

void green_do_green_yield(void);
void green_do_green_yield(void)
{
	struct green_worker *w = green_worker;

	if (!green_cancel_point(w->current))
		green_ready(green_park(w));
}

int green_do_green_sleep_ns(uint64_t ns);
int green_do_green_sleep_ns(uint64_t ns)
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
	err = green_timer_add(w, t, at);
	if (err)
		return err;
	green_park(w);
	return 0;
}

uint64_t green_do_green_deadline(uint64_t at);
uint64_t green_do_green_deadline(uint64_t at)
{
	struct green *t = green_worker->current;
	uint64_t old = t->deadline;

	t->deadline = at;
	return old;
}

/* Lay the stack out so that the first switch enters green_thread_start. */
static void prepare_stack(struct green *t, void (*fn)(void *), void *arg)
{
	struct green_saved *s = (struct green_saved *)(t->hi - 16 - sizeof(*s));

	memset(s, 0, sizeof(*s));
	__asm__("stmxcsr %0" : "=m"(s->mxcsr));
	__asm__("fnstcw %0" : "=m"(s->fpucw));
	s->rbx = (uintptr_t)fn;
	s->r12 = (uintptr_t)arg;
	s->pc = (uintptr_t)green_thread_start;
	t->sp = (uintptr_t)s;
}

static struct green *thread_new(struct green_worker *w, const struct green_attr *attr,
				void (*fn)(void *), void *arg)
{
	size_t size = attr && attr->stack_size ? attr->stack_size : w->opt.stack_size;
	struct green_slot *slot;
	struct green *t;

	if (!size)
		size = green_is_mapped((void *)fn) ? DEFAULT_MAPPED_STACK :
						     DEFAULT_PLAIN_STACK;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	slot = green_slot_get(w, size, false, UINTPTR_MAX);
	if (!slot) {
		free(t);
		return NULL;
	}
	green_stack_set(t, slot);
	t->timer = -1;
	t->name = attr ? attr->name : NULL;
	t->id = ++w->stats.threads;
	w->stats.live++;
	t->all_next = w->all;
	t->all_link = &w->all;
	if (w->all)
		w->all->all_link = &t->all_next;
	w->all = t;
	prepare_stack(t, fn, arg);
	green_ready(t);
	return t;
}

static void thread_free(struct green_worker *w, struct green *t)
{
	green_panics_free(t);
	*t->all_link = t->all_next;
	if (t->all_next)
		t->all_next->all_link = t->all_link;
	free(t);
	(void)w;
}

green_t *green_do_green_go_opt(const struct green_attr *attr, void (*fn)(void *),
			       void *arg);
green_t *green_do_green_go_opt(const struct green_attr *attr, void (*fn)(void *),
			       void *arg)
{
	return thread_new(green_worker, attr, fn, arg);
}

green_t *green_do_green_go(void (*fn)(void *), void *arg);
green_t *green_do_green_go(void (*fn)(void *), void *arg)
{
	return thread_new(green_worker, NULL, fn, arg);
}

/* enter.S: the thread's function has returned, or green_exit() is through. */
void green_do_thread_exit(int ret);
void green_do_thread_exit(int ret)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;

	w->current = NULL;
	t->state = STATE_DONE;
	w->stats.live--;
	green_defers_free(t);
	green_segments_free(w, t);
	green_slot_put(w, t->slot);
	t->slot = NULL;
	if (t == w->main) {
		w->main_ret = green_exit_status(t) ?: ret;
		w->main_done = true;
		return;
	}
	if (t->joiner) {
		green_timer_del(w, t->joiner);
		t->joiner->joining = NULL;
		t->joiner->ret = green_exit_status(t);
		green_ready(t->joiner);
		thread_free(w, t);
	} else if (t->detached) {
		thread_free(w, t);
	}
}

int green_do_green_join(struct green *t);
int green_do_green_join(struct green *t)
{
	struct green_worker *w = green_worker;
	struct green *self = w->current;
	int err;

	if (t == self)
		return -EDEADLK;
	if (!t || t->detached || t->joiner || t == w->main)
		return -EINVAL;
	if (green_cancel_point(self))
		return -ECANCELED;
	if (t->state == STATE_DONE) {
		err = green_exit_status(t);
		thread_free(w, t);
		return err;
	}
	if (self->deadline) {
		err = green_timer_add(w, self, self->deadline);
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

int green_do_green_detach(struct green *t);
int green_do_green_detach(struct green *t)
{
	if (!t || t->detached || t->joiner)
		return -EINVAL;
	t->detached = true;
	if (t->state == STATE_DONE)
		thread_free(green_worker, t);
	return 0;
}

int green_do_green_stats(struct green_stats *s);
int green_do_green_stats(struct green_stats *s)
{
	*s = green_worker->stats;
	s->backend = green_worker->backend->name;
	return 0;
}

/* ---- green_run -------------------------------------------------------- */

static void set_defaults(struct green_options *opt)
{
	if (!opt->max_stack)
		opt->max_stack = DEFAULT_MAX_STACK;
	if (!opt->arena_size)
		opt->arena_size = DEFAULT_ARENA;
}

static int worker_init(struct green_worker *w, const struct green_options *opt)
{
	int err;

	memset(w, 0, sizeof(*w));
	green_refusals_clear();
	w->runq_tail = &w->runq_head;
	if (opt)
		w->opt = *opt;
	set_defaults(&w->opt);
	if (w->opt.max_stack > GREEN_LARGEST_STACK)
		return -EINVAL;
	err = green_debug_parse(&w->debug, getenv("GREEN_DEBUG"));
	if (err)
		return err;
	err = green_maps_init();
	if (err)
		return err;
	err = green_fault_init();
	if (err)
		return err;
	err = green_stacks_init(w);
	if (err)
		goto err_fault;
	err = green_uring_init(w);
	if (err)
		goto err_stacks;
	w->after = w->debug.move_call;
	w->crossover = green_calibrate(w);
	return 0;

err_stacks:
	green_stacks_exit(w);
err_fault:
	green_fault_exit();
	return err;
}

static void worker_exit(struct green_worker *w)
{
	/* First the ring: the kernel may still write into what is freed next. */
	green_uring_exit(w);
	while (w->all) {
		green_defers_free(w->all);
		green_segments_free(w, w->all);
		free(w->all->slot);
		thread_free(w, w->all);
	}
	free(w->timers);
	green_sites_free(w);
	green_stacks_exit(w);
	green_fault_exit();
}

int green_run(const struct green_options *opt, int (*main_fn)(void *), void *arg)
{
	static const struct green_attr attr = { .name = "main" };
	struct green_worker w;
	int err;

	if (green_worker)
		return -EBUSY;
	err = worker_init(&w, opt);
	if (err)
		return err;
	green_worker = &w;
	/* What it returns comes to green_do_thread_exit(); the others' is noise. */
	w.main = thread_new(&w, &attr, (void (*)(void *))(green_fn)main_fn, arg);
	if (w.main)
		green_worker_enter(&w);
	else
		w.main_ret = -ENOMEM;
	green_worker = NULL;
	worker_exit(&w);
	return w.main_ret;
}
