/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stacks that were large once: a worker that goes to rest looks at a few threads,
 * and at one now and then while it is busy. A thread that it finds parked, and in
 * the same wait as last time, gets a smaller stack if it uses less than a quarter
 * of it and nothing forbids the move; what is refused is not counted, for nobody
 * asked. A stack that stays where it is gives back the pages below its frames, and all
 * give back what they have for I/O and the like and do not use (base/parts.h).
 *
 * What the entry tests of live frames have secured stays theirs: a smaller stack has
 * room for it (prove.c), and pages come again when they are touched.
 *
 * A process that has nothing to do is woken for as many passes as it takes to have
 * looked at each thread often enough since something ran last; then it sleeps for good.
 */
#include "base/debug.h"
#include "base/handle.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "memory/backend.h"
#include "memory/sizes.h"
#include "memory/slot.h"
#include "sched/claim.h"
#include "stack/move.h"
#include "stack/pin.h"
#include "stack/segment.h"
#include "stack/shrink.h"

#include <errno.h>

/* Less is not worth a system call. */
#define LEAST_TRIM	(32UL << 10)

/* The second look at a thread in a wait is the one that counts. */
#define LOOKS	2

/* So a wait that is shorter costs nothing. */
#define PASS_NS	1000000000u

/* A pass in a process that is busy with other things goes on after that long. */
#define STEP_NS	1000000u

static bool shrink(struct green *t)
{
	size_t bytes = green_bytes_for(2 * (t->hi - t->sp));
	struct green_nomove why;

	if (bytes < green_sizes[t->first_size].bytes)
		bytes = green_sizes[t->first_size].bytes;
	if (t->segment || 4 * (t->hi - t->sp) >= t->hi - t->lo ||
	    bytes >= green_slot_bytes(t->slot) || green_try_move(t, bytes, &why))
		return false;
	green_count(shrunk, 1);
	return true;
}

/* Nothing in a slot below @sp is of any use to a thread that waits. */
static bool trim(const struct green_slot *slot, uintptr_t sp)
{
	uintptr_t end = sp & ~(GREEN_PAGE - 1);

	return !slot->slab && end - slot->lo >= LEAST_TRIM &&
	       !green_rt.backend->reset(slot->lo, end - slot->lo);
}

static void trim_all(struct green *t)
{
	const struct green_segment *s;
	const struct green_slot *slot = t->slot;
	uintptr_t sp = t->sp;
	bool trimmed = false;

	green_segments_give_back(t);
	for (s = t->segment; ; s = s->outer) {
		trimmed |= trim(slot, sp);
		if (!s)
			break;
		slot = s->slot;
		sp = s->sp;
	}
	green_count(trimmed, trimmed);
}

/* Foreign code has switched stacks by itself: who knows what of its own it still uses? */
static void say_once(const struct green *t)
{
	static bool said;

	if (said)
		return;
	said = true;
	green_trace_line("thread %llu (%s) waits on a stack that is not its own: that gives nothing back (said once)",
			 (unsigned long long)t->id, t->name ? t->name : "unnamed");
}

static void give_back(struct green *t)
{
	if (!shrink(t))
		trim_all(t);
	green_escape_prune(t);
	if (t->rare && !t->rare->escapes.nr)
		green_escapes_free(t);
	green_parts_give_back(t);
}

static void look_at(struct green *t)
{
	if (green_state(t) != STATE_PARKED || !green_hold(t))
		return;
	if (t->idle < LOOKS && ++t->idle == LOOKS) {
		if (t->sp < t->lo || t->sp >= t->hi)
			say_once(t);
		else
			give_back(t);
	}
	green_let_go(t);
}

/* To begin with all threads again, once a second at most. */
static bool begin_pass(void)
{
	uint64_t now = green_now_ns();

	if (now - green_rt.shrink.began < PASS_NS)
		return false;
	green_rt.shrink.began = now;
	green_rt.shrink.quiet = true;
	green_rt.shrink.next = 0;
	green_rt.shrink.end = green_descriptors();
	return green_rt.shrink.end;
}

static bool is_over(void)
{
	return green_rt.shrink.next == green_rt.shrink.end;
}

static void end_pass(void)
{
	green_slots_age();
	if (green_rt.shrink.quiet && green_rt.shrink.left)
		green_rt.shrink.left--;
}

/* The next @n threads, and as many slots. True: there are more slots, whose time is over. */
static bool look_at_some(unsigned int n)
{
	bool more;
	struct green *t;

	more = green_slots_give_back(n);
	while (n && (!is_over() || begin_pass())) {
		t = green_thread_at(green_rt.shrink.next++);
		if (t) {
			look_at(t);
			n--;
		}
		if (is_over())
			end_pass();
	}
	return more;
}

/* One worker at a time; there is nothing to wait for. */
static bool begin(void)
{
	return !atomic_flag_test_and_set_explicit(&green_rt.shrink.busy, memory_order_acquire);
}

static void end(void)
{
	atomic_flag_clear_explicit(&green_rt.shrink.busy, memory_order_release);
}

void green_shrink_some(unsigned int n)
{
	if (!begin())
		return;
	look_at_some(n);
	end();
}

/* When the next look is due, or 0. */
static uint64_t look_at_rest(unsigned int n)
{
	struct green_worker *w = green_worker;
	bool ran = w->rested != w->stats.switches;

	/* What has run here may have parked after all that others have seen. */
	if (ran) {
		w->rested = w->stats.switches;
		green_rt.shrink.left = LOOKS;
		green_rt.shrink.quiet = false;
	}
	if (look_at_some(n))
		return 1;
	if (!green_rt.shrink.left)
		return 0;
	if (is_over())
		return green_rt.shrink.began + PASS_NS;
	return ran ? green_now_ns() + STEP_NS : 1;
}

uint64_t green_shrink_rest(unsigned int n)
{
	uint64_t at;

	/* Who looks now may not know that something has run here. */
	if (!begin())
		return green_now_ns() + STEP_NS;
	at = look_at_rest(n);
	end();
	return at;
}
