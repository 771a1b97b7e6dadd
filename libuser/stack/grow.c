/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Growth: a function has found less stack than it needs. What is tried, in this
 * order: a move to a larger stack; a new segment; going on, if what it takes itself
 * is there and the rest was a guess. Then the process ends, with one line.
 */
#define _GNU_SOURCE
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "memory/arena.h"
#include "memory/sizes.h"
#include "memory/slot.h"
#include "sched/slice.h"
#include "stack/bounds.h"
#include "stack/move.h"
#include "stack/refusal.h"
#include "stack/segment.h"

#include <errno.h>
#include <string.h>

/*
 * Where a stack cannot grow, the call goes on if so much is left: for foreign code,
 * which may need less than was asked for; and for what is not tested.
 */
#define FOREIGN_LEAST	8192
#define UNTESTED	640

/* Crossings of a border without a proof. */
#define RETRY	64

/*
 * A call in a loop crosses the same border each time: what refused the last move
 * is likely to be there still, and proofs cost more than segments. Now and then
 * it is tried again.
 */
static bool refused_lately(struct green *t)
{
	struct green_rare *r = t->rare;

	if (!r || r->border != t->sp)
		return false;
	return ++r->crossings % RETRY;
}

/* Without memory the next crossing asks again. */
static void remember_border(struct green *t, unsigned int kind)
{
	struct green_rare *r = green_rare_of(t);

	if (!r)
		return;
	r->border = t->sp;
	r->border_kind = kind;
}

/* A function that has not laid out its frame, or NULL. */
static const struct green_entry *in_front(const struct green *t)
{
	const struct green_saved *s = (const void *)t->sp;

	return s->pc == (uintptr_t)green_stack_morestack_return ? (const void *)(s + 1) : NULL;
}

/* Can only a segment help? Then that is counted as what it is: a move refused. */
static bool refused_without_proof(struct green *t, const struct green_entry *entry)
{
	if (entry->flags & GREEN_ENTRY_FIXED) {
		green_count_refusal_at(GREEN_NOMOVE_FRAME, (const void *)entry->pc);
		return true;
	}
	if (!refused_lately(t))
		return false;
	green_count_refused_again(t->rare->border_kind);
	return true;
}

/*
 * Grow the stack by a move, or by a segment. Only a function that has not laid
 * out its frame can begin one.
 */
static int move_or_begin(struct green *t, size_t size, uint64_t need,
			 struct green_nomove *why)
{
	const struct green_entry *entry = in_front(t);
	unsigned int kind;
	int err;

	if (entry && refused_without_proof(t, entry))
		return green_segment_begin(t, need);
	err = green_try_move(t, size, why);
	if (err != -EBUSY)
		return err;
	kind = green_count_refusal(why);
	if (!entry)
		return err;
	remember_border(t, kind);
	return green_segment_begin(t, need);
}

/*
 * Of a need that comes from a test in front of a function, what the frame takes;
 * the rest is a guess (greencc's channel.h).
 */
static uint64_t frame_of(uint64_t need)
{
	if (need & 1)
		need -= 32UL << 10;
	if (need & 2)
		need -= 256UL << 10;
	return need & ~7UL;
}

/*
 * Does the stack have what the entry check asks for? It came here though: the limit was
 * raised as the thread's slice is over (sched/slice.c), or for debugging.
 */
static bool has_room(const struct green *t, uint64_t need)
{
	const struct green_entry *entry = in_front(t);
	uintptr_t sp = entry ? (uintptr_t)(entry + 1) : green_caller_sp(t);

	return sp - t->lo >= green_slot_slack(t->slot) + need;
}

/* Debugging: with move=entry every entry check comes here. */
static void move_at_entry(struct green *t, uint64_t need)
{
	static unsigned int nr;
	struct green_nomove why;

	if (!green_rt.debug.move_entry)
		return;
	/* What only begins segments would have as many as it has frames. */
	if (t->segment && in_front(t) && in_front(t)->flags & GREEN_ENTRY_FIXED)
		return;
	/* A way out to foreign code (lend.S) has no frame: a segment would show nothing. */
	if (in_front(t) && in_front(t)->flags & GREEN_ENTRY_FIXED && need & 1 && !frame_of(need))
		return;
	if (++nr % green_rt.debug.move_entry == 0)
		move_or_begin(t, 0, need, &why);
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The largest size that its newest segment may have. */
static size_t largest_stack(const struct green *t)
{
	size_t most = green_rt.opt.max_stack - (green_stack_bytes(t) - (t->hi - t->lo));
	unsigned int size = 0;

	while (size + 1 < GREEN_SIZES && green_sizes[size + 1].bytes <= most)
		size++;
	return green_sizes[size].bytes;
}

/*
 * An entry check found less than @need bytes and the slack left, of which the
 * caller takes @taken at once; UINT64_MAX: see above. Without a larger stack the
 * call goes on as long as there is room for those: the rest is a guess, and what
 * goes beyond meets the gap. On a slot without one no guess is ventured.
 */
static void grow(struct green *t, uint64_t need, uint64_t taken)
{
	struct green_nomove why;
	size_t used = t->hi - t->sp, bytes = 2 * green_slot_bytes(t->slot);
	int err;

	green_rt.arena_full = false;
	err = move_or_begin(t, larger(bytes, green_bytes_for(used + need)), need, &why);
	/* Less than was asked for is better than nothing. */
	if (err == -ENOSPC && need > taken && largest_stack(t) >= bytes)
		err = move_or_begin(t, largest_stack(t), taken + FOREIGN_LEAST, &why);
	if (!err)
		return;
	if (t->sp - t->lo > taken + (need > taken ? FOREIGN_LEAST : UNTESTED) &&
	    (need == taken || t->slot->gap >= t->gap))
		return;
	if (err == -EBUSY)
		green_die(t, "its stack of %zu bytes is full and may not move: %s %s",
			  (size_t)(t->hi - t->lo), green_nomove_name(why.reason),
			  why.function);
	if (err == -ENOMEM && green_rt.arena_full)
		green_die(t, "its stack of %zu bytes is full: the arena has no more room below it (arena_size is %zu)",
			  (size_t)(t->hi - t->lo), green_rt.opt.arena_size);
	green_die(t, "its stack of %zu bytes is full: %s", (size_t)(t->hi - t->lo),
		  err == -ENOSPC ? "it has reached max_stack" :
		  green_arena_why() ?: strerrordesc_np(-err));
}

void rt_stack_grow(uint64_t need, uint64_t taken)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;

	if (taken == UINT64_MAX)
		taken = frame_of(need);
	/* alloca() of any number. */
	if (need > GREEN_LARGEST_STACK)
		need = taken = GREEN_LARGEST_STACK;
	if (has_room(t, need))
		move_at_entry(t, need);
	else
		grow(t, need, taken);
	green_slice_look(w, t);
}
