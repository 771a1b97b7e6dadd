/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads, from their start to their end, and who waits for that. */
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/handle.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "maps/maps.h"
#include "memory/arena.h"
#include "memory/backend.h"
#include "memory/slot.h"
#include "sched/kick.h"
#include "sched/thread.h"
#include "sched/wait.h"
#include "stack/depth.h"
#include "stack/pin.h"
#include "stack/segment.h"
#include "unwind/defer.h"
#include "unwind/exit.h"
#include "unwind/panic.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_TESTED_STACK	(64UL << 10)
#define DEFAULT_PLAIN_STACK	(256UL << 10)

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

struct green *green_thread_new(struct green_worker *w, const struct green_attr *attr,
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

void green_thread_free(struct green *t)
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
	struct green *t = green_thread_new(green_worker, attr, fn, arg);

	return t ? (green_t *)t->handle : NULL;
}

green_t *rt_go(void (*fn)(void *), void *arg)
{
	return rt_go_opt(NULL, fn, arg);
}

/* start.S: the thread's function has returned, or green_exit() is through. */
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
	if (t->joiner && green_claim(t->joiner)) {
		t->joiner->ret = green_exit_status(t);
		green_ready(t->joiner);
		green_thread_free(t);
	} else if (t->detached) {
		green_thread_free(t);
	}
}

static bool join_no_longer(struct green *t)
{
	((struct green *)t->wait_on)->joiner = NULL;
	return true;
}

static const struct green_wait_kind join = { .name = "join", .abort = join_no_longer };

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
		green_thread_free(t);
		return err;
	}
	err = green_wake_at_deadline(self);
	if (err)
		return err;
	t->joiner = self;
	self->wait_on = t;
	/* What it returns if its timer ends the wait; else the exit says 0. */
	self->ret = -ETIMEDOUT;
	green_park(w, &join);
	return 0;
}

int rt_detach(green_t *handle)
{
	struct green *t = green_of(handle);

	if (!t || t->detached || t->joiner)
		return -EINVAL;
	t->detached = true;
	if (t->state == STATE_DONE)
		green_thread_free(t);
	return 0;
}

static const struct green_wait_kind sleeping = { .name = "sleep" };

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
	err = green_wake_at(t, at);
	if (err)
		return err;
	green_park(w, &sleeping);
	return 0;
}

uint64_t rt_deadline(uint64_t at)
{
	struct green *t = green_worker->current;
	uint64_t old = t->deadline;

	t->deadline = at;
	return old;
}

green_t *green_self(void)
{
	struct green *t = green_worker ? green_worker->current : NULL;

	return t ? (green_t *)t->handle : NULL;
}

int rt_stats(struct green_stats *s)
{
	*s = green_rt.stats;
	s->backend = green_rt.backend->name;
	return 0;
}
