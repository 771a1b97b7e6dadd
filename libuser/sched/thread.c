/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads, from their start to their end, and who waits for that. */
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/handle.h"
#include "base/held.h"
#include "base/lock.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "io/call.h"
#include "maps/registry.h"
#include "memory/arena.h"
#include "memory/backend.h"
#include "memory/slot.h"
#include "sched/kick.h"
#include "sched/outside.h"
#include "sched/slice.h"
#include "sched/thread.h"
#include "sched/wait.h"
#include "stack/pin.h"
#include "stack/segment.h"
#include "unwind/defer.h"
#include "unwind/exit.h"
#include "unwind/key.h"
#include "unwind/panic.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TESTED_STACK	(64UL << 10)
#define DEFAULT_PLAIN_STACK	(256UL << 10)

#define ID_BLOCK		64

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

static void free_thread(struct green_worker *w, struct green *t)
{
	green_spin_lock(&t->lock, RANK_THREAD);
	green_descriptor_retire(t);
	green_spin_unlock(&t->lock, RANK_THREAD);
	green_descriptor_put(w, t);
}

/* green_go() can only say NULL. */
static void no_stack(void)
{
	static bool said;
	const char *why = green_arena_why();

	struct green_stats stats;

	/* Of the first one green_run() says so. */
	if (!green_rt.main || !why)
		return;
	green_stats_sum(&stats);
	green_complain(&said, "no stack for a thread, of which %llu live: %s",
		       (unsigned long long)stats.live, why);
}

/* Ids are taken in blocks, so that workers do not wait for each other. */
static uint64_t next_id(struct green_worker *w)
{
	if (w->next_id == w->end_id) {
		w->next_id = atomic_fetch_add(&green_rt.ids, ID_BLOCK);
		w->end_id = w->next_id + ID_BLOCK;
	}
	return ++w->next_id;
}

/* Does @fn test its stack? Who starts many threads mostly starts the same function. */
static bool tests_stack(struct green_worker *w, const void *fn)
{
	unsigned int changes = green_map_changes;

	if (w->started.fn != fn || w->started.changes != changes) {
		w->started.tests = green_map_flags_of(fn) & GREEN_MAP_TESTS;
		w->started.fn = fn;
		w->started.changes = changes;
	}
	return w->started.tests;
}

/*
 * A thread that another worker may take later begins here. One of foreign code stays where
 * it begins, so these are dealt out in turn.
 */
static struct green_worker *first_home(struct green_worker *w, const struct green *t)
{
	if (!green_shared || !t->guarded)
		return w;
	return &green_rt.worker[w->dealt++ % green_rt.nr_workers];
}

struct green *green_thread_prepare(struct green_worker *w, const struct green_attr *attr,
				   void (*fn)(void *), void *arg)
{
	size_t size = attr && attr->stack_size ? attr->stack_size : green_rt.opt.stack_size;
	size_t gap = attr && attr->gap ? green_gap_round(attr->gap) : green_rt.opt.gap;
	bool tests = tests_stack(w, (void *)fn);
	struct green_slot *slot;
	struct green *t;

	if (!size && tests)
		size = green_rt.debug.stack ?: DEFAULT_TESTED_STACK;
	if (!size)
		size = DEFAULT_PLAIN_STACK;
	t = green_descriptor_get(w);
	if (!t)
		return NULL;
	t->guarded = !tests;
	t->gap = gap;
	slot = gap > GREEN_LARGEST_GAP ? NULL :
	       green_slot_get(size, tests ? SLOT_ANY : SLOT_GUARDED, green_gap_of(t, size),
			      UINTPTR_MAX);
	if (!slot) {
		no_stack();
		free_thread(w, t);
		return NULL;
	}
	green_stack_set(t, slot);
	t->first_size = slot->size;
	t->home = first_home(w, t);
	t->timer = -1;
	t->name = attr ? attr->name : NULL;
	t->bound = attr && attr->bound;
	t->id = next_id(w);
	green_count(threads, 1);
	green_count(live, 1);
	prepare_stack(t, fn, arg);
	if (green_rt.main)
		green_slices_begin();
	return t;
}

struct green *green_thread_new(struct green_worker *w, const struct green_attr *attr,
			       void (*fn)(void *), void *arg)
{
	struct green *t = green_thread_prepare(w, attr, fn, arg);

	if (t)
		green_ready(t);
	return t;
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

green_t *rt_go_opt_outside(const struct green_attr *attr, void (*fn)(void *), void *arg)
{
	long ret = green_outside_call(rt_go_opt, attr, fn, arg);

	/* No handle is a small number. */
	return ret == -EPERM || ret == -ESHUTDOWN ? NULL : (green_t *)ret;
}

green_t *rt_go_outside(void (*fn)(void *), void *arg)
{
	return rt_go_opt_outside(NULL, fn, arg);
}

/* What the thread has beside its descriptor. */
static void free_all_of(struct green *t)
{
	green_panics_free(t);
	green_values_free(t);
	green_escapes_free(t);
	green_defers_free(t);
	green_segments_free(t);
	green_parts_free(t);
	green_slot_put(t->slot);
	t->slot = NULL;
}

/*
 * The thread is over. Its joiner, or NULL, claimed; *@gone: nobody is to come who
 * frees it.
 */
static struct green *become_done(struct green *t, bool *gone)
{
	struct green *joiner;

	green_spin_lock(&t->lock, RANK_THREAD);
	joiner = t->joiner;
	t->joiner = NULL;
	/* One whose deadline has come just now may join again. */
	if (joiner && !green_claim(joiner))
		joiner = NULL;
	if (joiner)
		joiner->ret = green_exit_status(t);
	*gone = joiner || t->detached;
	green_set_state(t, STATE_DONE);
	if (*gone)
		green_descriptor_retire(t);
	green_spin_unlock(&t->lock, RANK_THREAD);
	return joiner;
}

/* start.S: the thread's function has returned, or green_exit() is through. */
void rt_thread_exit(long ret)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current, *joiner;
	bool gone;

	/* All scopes have been left, and those of green_exit() have been emptied. */
	if (t->defers)
		green_die(t, "it has ended, and a GREEN_SCOPE with deferred calls was left in a "
			  "way that libgreen does not see");
	green_held_look(t, "has ended");
	green_assert(t->state == STATE_RUNNING && t->timer < 0 && !green_waits(&t->waiter) &&
		     !(t->io && t->io->busy));
	green_set_current(w, NULL);
	green_count(live, -1);
	free_all_of(t);
	if (t == green_rt.main) {
		green_stop(green_exit_status(t) ?: green_rt.main_is_void ? 0 : (int)ret);
		green_set_state(t, STATE_DONE);
		return;
	}
	if (t->ending)
		t->ending->ended(t, ret);
	free(t->ending);
	joiner = become_done(t, &gone);
	if (gone)
		green_descriptor_put(w, t);
	if (joiner)
		green_ready(joiner);
}

static bool join_no_longer(struct green *t)
{
	struct green *other = t->wait_on;

	green_spin_lock(&other->lock, RANK_THREAD);
	if (other->joiner == t)
		other->joiner = NULL;
	green_spin_unlock(&other->lock, RANK_THREAD);
	return true;
}

static const struct green_wait_kind join = {
	.name = "join", .thread = true, .abort = join_no_longer,
};

/* @t, which the caller has locked, runs; or -errno. */
static int wait_for_end(struct green_worker *w, struct green *t)
{
	struct green *self = w->current;
	int err = green_wake_at_deadline(self);

	if (err)
		return err;
	t->joiner = self;
	self->wait_on = t;
	/* What it returns if its timer ends the wait. */
	self->ret = -ETIMEDOUT;
	green_park(w, &join);
	return 0;
}

int rt_join(green_t *handle)
{
	struct green_worker *w = green_worker;
	struct green *t;
	int err;

	if (handle == (green_t *)w->current->handle)
		return -EDEADLK;
	t = green_of_locked(handle);
	if (!t)
		return -EINVAL;
	if (green_cancel_point(w->current)) {
		err = -ECANCELED;
	} else if (t->detached || t->joiner || t == green_rt.main) {
		err = -EINVAL;
	} else if (green_state(t) != STATE_DONE) {
		err = wait_for_end(w, t);
	} else {
		err = green_exit_status(t);
		green_descriptor_retire(t);
		green_spin_unlock(&t->lock, RANK_THREAD);
		green_descriptor_put(w, t);
		return err;
	}
	green_spin_unlock(&t->lock, RANK_THREAD);
	return err;
}

int rt_detach(green_t *handle)
{
	struct green *t = green_of_locked(handle);
	bool gone;

	if (!t)
		return -EINVAL;
	if (t->detached || t->joiner) {
		green_spin_unlock(&t->lock, RANK_THREAD);
		return -EINVAL;
	}
	t->detached = true;
	gone = green_state(t) == STATE_DONE && t != green_rt.main;
	if (gone)
		green_descriptor_retire(t);
	green_spin_unlock(&t->lock, RANK_THREAD);
	if (gone)
		green_descriptor_put(green_worker, t);
	return 0;
}

int rt_detach_outside(green_t *handle)
{
	return green_outside_call(rt_detach, handle, 0, 0);
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

/* All of it but the backend's name. */
#define NR_COUNTS ((sizeof(struct green_stats) - offsetof(struct green_stats, threads)) / 8)

/* Those of all workers; what they count meanwhile may be in it, or not. */
void green_stats_sum(struct green_stats *s)
{
	*s = (struct green_stats){ .backend = green_rt.backend->name };
	for (unsigned int i = 0; i < green_rt.nr_workers; i++) {
		const struct green_stats *w = &green_rt.worker[i].stats;
		const uint64_t *from = &w->threads;
		uint64_t *to = &s->threads;

		for (size_t n = 0; n < NR_COUNTS; n++)
			to[n] += __atomic_load_n(&from[n], __ATOMIC_RELAXED);
	}
}

int rt_stats(struct green_stats *s)
{
	green_stats_sum(s);
	return 0;
}
