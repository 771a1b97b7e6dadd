/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * fork(). The child has one OS thread and, if that ran a green thread, this one and no
 * other: what the others would do is the parent's. It goes on as the only worker's
 * first thread. The ring's memory is shared with the parent and so left behind at
 * once; the child opens its own when it needs one.
 *
 * It may also begin anew: green_run() within the thread runs with all state of the
 * library as it was in the beginning, and gives the old state back in the end.
 *
 * An arena of the module is not the child's. The kernel gives it a copy of the
 * stack that it forked on (MADV_DOFORK, linux/green.h), so that it comes as far as
 * here. Here it gets ordinary memory in the arena's place, with all frames that
 * were live, as fork would have copied them.
 */
#define _GNU_SOURCE
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/freeze.h"
#include "base/handle.h"
#include "base/runtime.h"
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "fork.h"
#include "io/call.h"
#include "memory/backend.h"
#include "memory/sizes.h"
#include "memory/slot.h"
#include "sched/outside.h"
#include "sched/slice.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "sched/worker.h"
#include "signal/fault.h"
#include "signal/handler.h"
#include "signal/sigpipe.h"
#include "stack/bounds.h"
#include "stack/segment.h"
#include "sync/chan.h"
#include "sync/chan_wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEMPORARY_STACK	(64UL << 10)

enum place {
	PLACE_NO_RUN,			/* there is no green_run() in this process */
	PLACE_OUTSIDE,			/* in an OS thread that is no worker */
	PLACE_THREAD,
	PLACE_RUNTIME,			/* in a signal handler, the runtime's code below */
};

/* Live words of all stacks but the newest of the forking thread. */
struct piece {
	uintptr_t addr;
	size_t len;
};

static struct {
	enum place place;
	size_t bytes;			/* of the image; 0: none */
	char *image;			/* pieces, each followed by what is there */
	size_t used;
	/* For the child, while it is on its temporary stack. */
	uintptr_t sp;
	char *own;
} forks;

/* ---- the image of an arena that fork does not copy ------------------------- */

static void keep(uintptr_t lo, uintptr_t hi)
{
	struct piece p = { lo, hi - lo };

	if (forks.image) {
		memcpy(forks.image + forks.used, &p, sizeof(p));
		memcpy(forks.image + forks.used + sizeof(p), (const void *)lo, hi - lo);
	}
	forks.used += sizeof(p) + hi - lo;
}

static void keep_thread(const struct green *t, const struct green *self)
{
	const struct green_segment *s;

	if (t->state == STATE_DONE)
		return;
	/* Where another worker's thread stands nobody knows. */
	if (t != self)
		keep(t->state == STATE_RUNNING ? t->lo : t->sp, t->hi);
	for (s = t->segment; s; s = s->outer)
		keep(s->sp, s->hi);
}

static void keep_all(const struct green *self)
{
	const struct green *t;

	forks.used = 0;
	for (unsigned long i = 0; i < green_descriptors(); i++) {
		t = green_thread_at(i);
		if (t)
			keep_thread(t, self);
	}
}

/* Without memory the child has its own stack and no other's. */
static void image_save(const struct green *self)
{
	keep_all(self);
	forks.bytes = forks.used;
	if (!forks.bytes)
		return;
	forks.image = mmap(NULL, forks.bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (forks.image == MAP_FAILED)
		forks.image = NULL;
	else
		keep_all(self);
}

static void image_free(void)
{
	if (forks.image)
		munmap(forks.image, forks.bytes);
	forks.image = NULL;
	forks.bytes = 0;
}

static void image_restore(void)
{
	struct piece p;
	size_t at;

	for (at = 0; forks.image && at < forks.used; at += p.len) {
		memcpy(&p, forks.image + at, sizeof(p));
		at += sizeof(p);
		memcpy((void *)p.addr, forks.image + at, p.len);
	}
}

/* What a new mapping has lost below the stacks that are still in use. */
static void seal_again(const struct green *t)
{
	const struct green_segment *s;
	const struct green_slot *slot;

	if (t->slot->gap)
		green_rt.backend->seal(t->slot->lo - t->slot->gap, t->slot->gap);
	for (s = t->segment; s; s = s->outer)
		if (s->slot->gap)
			green_rt.backend->seal(s->slot->lo - s->slot->gap, s->slot->gap);
	for (slot = t->rare ? t->rare->spare : NULL; slot; slot = slot->next)
		if (slot->gap)
			green_rt.backend->seal(slot->lo - slot->gap, slot->gap);
}

/* On the temporary stack; forks.sp is where the other one was left. */
static void replace_arena(void)
{
	struct green *t = green_worker->current;
	uintptr_t from = forks.sp - 128;

	memcpy(forks.own, (const void *)from, t->hi - from);
	if (green_rt.backend->forked())
		green_die(NULL, "fork(): no memory for the child's stacks");
	memcpy((void *)from, forks.own, t->hi - from);
}

static void call_on(void *top, void (*fn)(void))
{
	__asm__ volatile("movq	%%rsp, %%rbx\n\t"
			 "movq	%%rsp, %[sp]\n\t"
			 "movq	%[top], %%rsp\n\t"
			 "call	*%[fn]\n\t"
			 "movq	%%rbx, %%rsp"
			 : [sp] "=m"(forks.sp)
			 : [top] "r"(top), [fn] "r"(fn)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
			   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
			   "memory", "cc");
}

static void have_arena(struct green *t)
{
	size_t own = t->hi - (uintptr_t)__builtin_frame_address(0) + GREEN_PAGE;
	char *mem;

	if (!green_rt.backend->forked)
		return;
	mem = mmap(NULL, TEMPORARY_STACK + own, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		green_die(NULL, "fork(): no memory for the child's stacks");
	forks.own = mem + TEMPORARY_STACK;
	call_on(mem + TEMPORARY_STACK, replace_arena);
	munmap(mem, TEMPORARY_STACK + own);
	green_rt.backend = &green_backend_user;
	green_rt.crossover = SIZE_MAX;
	image_restore();
	seal_again(t);
	/* Free ones lost their sealed pages as well: new ones are cut. */
	green_stacks_init();
	memset(green_worker->cache, 0, sizeof(green_worker->cache));
}

/* ---- the child --------------------------------------------------------------- */

/* As if they had ended long ago. What they have in memory is left alone. */
static void forget_others(struct green_worker *w, struct green *t)
{
	green_selections_exit();
	green_chans_forked();
	for (unsigned long i = 0; i < green_descriptors(); i++) {
		struct green *u = green_thread_at(i);

		if (!u || u == t)
			continue;
		green_descriptor_retire(u);
		green_descriptor_put(w, u);
	}
	t->joiner = NULL;
	free(t->ending);
	t->ending = NULL;
	green_rt.epoch = ++green_last_epoch;
	green_rt.shrink.next = green_rt.shrink.end = 0;
	w->stats.live = 1;
}

/* What all have counted is this one's now. */
static void sum_stats(struct green_worker *w)
{
	struct green_stats sum;

	green_stats_sum(&sum);
	w->stats = sum;
}

/* This OS thread is the only worker. */
static void be_alone(void)
{
	struct green_worker *w = &green_rt.worker[0];

	if (w != green_worker) {
		struct green_uring *uring = w->uring;

		sum_stats(green_worker);
		*w = *green_worker;
		w->uring = uring;
		green_be_worker(w);
		green_rt.forked_elsewhere = true;
	} else {
		sum_stats(w);
	}
	green_worker_init(w, 0);
	green_timers_forked(&w->timers);
	w->current->home = w;
	green_rt.nr_workers = 1;
	green_rt.nr_idle = 0;
	green_rt.watched = false;
	atomic_flag_clear(&green_rt.shrink.busy);
	green_shared = 0;
}

static void go_on_alone(void)
{
	struct green *t = green_worker->current;

	green_slices_forked();
	green_io_forked();
	have_arena(t);
	be_alone();
	forget_others(green_worker, t);
	green_rt.forked = true;
	if (t != green_rt.main)
		green_rt.forked_elsewhere = green_rt.main_is_void = true;
	green_rt.main = t;
	green_outside_forked(true);
}

/* ---- green_run() again --------------------------------------------------------- */

/* All that GREEN_PER_RUN marks. */
extern char __start_green_per_run[] __attribute__((visibility("hidden")));
extern char __stop_green_per_run[] __attribute__((visibility("hidden")));
#define STATE		__start_green_per_run
#define STATE_BYTES	((size_t)(__stop_green_per_run - __start_green_per_run))

static char *pristine;

bool green_fork_may_run(void)
{
	return green_rt.forked && green_self();
}

int green_fork_run(int (*run)(const struct green_options *, int (*)(void *), void *),
		   const struct green_options *opt, int (*main_fn)(void *), void *arg)
{
	struct green_worker *w = green_worker;
	uintptr_t limit = w->current->limit;
	char *state = malloc(STATE_BYTES);
	pid_t pid = getpid();
	bool watched;
	int ret;

	if (!state)
		return -ENOMEM;
	watched = green_slices_end();
	green_outside_close(true);
	green_chans_shut();
	memcpy(state, STATE, STATE_BYTES);
	memcpy(STATE, pristine, STATE_BYTES);
	green_worker = NULL;
	ret = run(opt, main_fn, arg);
	memcpy(STATE, state, STATE_BYTES);
	free(state);
	green_be_worker(w);
	green_outside_open();
	green_set_limit(limit);
	if (watched)
		green_slices_begin();
	/* A child of that run's came back here. */
	if (getpid() != pid)
		go_on_alone();
	return ret;
}

/* ---- the handlers ------------------------------------------------------------- */

static enum place where(void)
{
	const struct green_worker *w = green_worker;

	if (!green_rt.worker)
		return PLACE_NO_RUN;
	if (!w)
		return PLACE_OUTSIDE;
	if (w->current && green_on_stack(w->current, (uintptr_t)__builtin_frame_address(0)))
		return PLACE_THREAD;
	return PLACE_RUNTIME;
}

/* So that nobody else is in the middle of a change. */
static void prepare(void)
{
	forks.place = where();
	if (forks.place == PLACE_THREAD || forks.place == PLACE_OUTSIDE)
		green_freeze();
	if (forks.place == PLACE_THREAD && green_rt.backend->forked)
		image_save(green_worker->current);
}

static void in_parent(void)
{
	image_free();
	if (forks.place == PLACE_THREAD || forks.place == PLACE_OUTSIDE)
		green_thaw();
}

static void leave_run(void)
{
	green_outside_forked(false);
	green_io_forked();
	green_signals_exit();
	green_sigpipe_exit();
	green_fault_exit();
	memcpy(STATE, pristine, STATE_BYTES);
	atomic_flag_clear(&green_runs);
}

static void in_child(void)
{
	if (forks.place == PLACE_THREAD || forks.place == PLACE_OUTSIDE)
		green_freeze_forked();
	switch (forks.place) {
	case PLACE_NO_RUN:
		return;
	case PLACE_OUTSIDE:
		leave_run();
		return;
	case PLACE_THREAD:
		go_on_alone();
		image_free();
		return;
	case PLACE_RUNTIME:
		/* It may exec or _exit; the scheduler's loop is its end. */
		green_outside_forked(false);
		green_io_forked();
		green_rt.forked_inside = true;
		green_rt.main_done = true;
		return;
	}
}

int green_fork_init(void)
{
	int err;

	if (pristine)
		return 0;
	pristine = malloc(STATE_BYTES);
	if (!pristine)
		return -ENOMEM;
	memcpy(pristine, STATE, STATE_BYTES);
	err = pthread_atfork(prepare, in_parent, in_child);
	if (err) {
		free(pristine);
		pristine = NULL;
	}
	return -err;
}

/* The scheduler has ended. */
void green_fork_end(void)
{
	if (green_rt.forked_inside)
		green_die(NULL, "the child of a fork() in a signal handler went on in libgreen");
	if (!green_rt.forked_elsewhere)
		return;
	/* green_run()'s caller is not on this stack, or it was none of its threads. */
	green_worker = NULL;
	exit(green_rt.main_ret < 0 ? EXIT_FAILURE : green_rt.main_ret);
}
