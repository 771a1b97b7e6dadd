/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Segments: where a stack is full and may not move, the function that found out
 * runs on a new piece of stack and comes back. It has not laid out its frame
 * yet: what it needs there is a return address, that of green_segment_leave() in
 * join.S, and above it arguments, if they did not all go into registers:
 *
 *	outer segment			new segment
 *	...				struct green_segment, ends with a frame like that
 *					of the caller
 *	caller's frame, with arguments	copies of what may be arguments
 *	return address			green_segment_leave
 *	(dead)				the function's frame
 *
 * A newer segment lies below all older ones, like a newer frame in one. So every
 * live address of the stack is at or above rsp, and what is newer is lower; the
 * barriers, the defers and unwinders rely on that.
 *
 * Who owns what: a thread's lo, hi, slot and limit are those of the newest
 * segment, and only that one moves. Its frames are proved as ever; in older ones
 * there may be words that point into it, and those are adjusted (prove.c).
 *
 * Slots that were left last wait as the thread's spares: a call in a loop crosses the
 * same border again and again, and others further down. The rest is for all, and is
 * found again by its address (free_slots.c).
 */
#include "arch/x86_64/frame.h"
#include "base/assert.h"
#include "base/debug.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "memory/sizes.h"
#include "memory/slot.h"
#include "stack/bounds.h"
#include "stack/depth.h"
#include "stack/segment.h"

#include <errno.h>
#include <string.h>

/* What a segment has beyond the need of its first function. */
#define ROOM	(32UL << 10)

/* Slots that a thread keeps of segments that it has left. */
#define SPARES	4

/* All spares but the first @most, which were left last, go back. */
static void trim(struct green *t, unsigned int most)
{
	struct green_slot **link, *s;

	if (!t->rare)
		return;
	link = &t->rare->spare;
	while (*link && most--)
		link = &(*link)->next;
	while ((s = *link)) {
		*link = s->next;
		green_slot_put_segment(s);
	}
}

/* The one that was left last is the oldest of those that were left: the highest. */
static struct green_slot *take_slot(struct green *t, size_t size)
{
	struct green_slot **link, *s;

	/* Debugging: what still points there is to be seen. */
	trim(t, green_rt.debug.seal ? 0 : SPARES);
	for (link = &t->rare->spare; (s = *link); link = &s->next)
		if (s->hi - s->lo >= size && s->hi <= t->lo) {
			*link = s->next;
			return s;
		}
	size += GREEN_PAGE;
	return green_slot_get(size, SLOT_GUARDED, t->gap, t->lo);
}

/*
 * The thread is in green_stack_morestack(). Returns 0; -ENOSPC at max_stack,
 * -ENOMEM.
 */
int green_segment_begin(struct green *t, size_t need)
{
	const struct green_entry *e = (const void *)(t->sp + sizeof(struct green_saved));
	bool far = e->flags & GREEN_ENTRY_FAR;
	size_t args = far ? GREEN_ABI_FAR : GREEN_ABI_NEAR;
	uintptr_t ret = (uintptr_t)(e + 1), top;
	size_t size = need + args + ROOM + (far ? GREEN_PAGE : 0), n;
	struct green_saved *saved;
	struct green_slot *slot;
	struct green_segment *s;

	if (green_stack_bytes(t) + size > green_rt.opt.max_stack)
		return -ENOSPC;
	/* That its end finds a place for its slot. */
	if (!green_rare_of(t))
		return -ENOMEM;
	slot = take_slot(t, size);
	if (!slot)
		return -ENOMEM;
	green_assert(slot->hi <= t->lo && slot->hi - slot->lo >= size);
	s = (void *)(slot->hi - sizeof(*s));
	/* Some may be aligned: va_arg() and struct parameters ask where they lie. */
	if (far)
		s = (void *)((uintptr_t)s - (((uintptr_t)s - args - ret - 8) & (GREEN_PAGE - 1)));
	*s = (struct green_segment){
		t->lo, t->hi, t->limit, ret, t->slot, t->segment,
		((const struct green_saved *)t->sp)->rbp, *(const void **)ret, 0, 0,
	};
	top = (uintptr_t)s - args - 8;
	s->depth_hi = green_depth_of_segment(t, ret, slot, top);
	n = t->hi - ret - 8;
	memcpy((void *)(top + 8), (const void *)(ret + 8), n < args ? n : args);
	*(const void **)top = far ? green_segment_leave_far : green_segment_leave;
	memcpy((void *)(top - (ret - t->sp)), (const void *)t->sp, ret - t->sp);
	green_hide();
	t->sp = top - (ret - t->sp);
	saved = (void *)t->sp;
	saved->rbp = (uintptr_t)&s->rbp;
	green_show(t);
	t->segment = s;
	green_stack_set(t, slot);
	green_count(segments, 1);
	green_trace(1, "segment: %s %llu: %zu bytes", t->name ? t->name : "thread",
		    (unsigned long long)t->id, (size_t)(t->hi - t->lo));
	return 0;
}

/* Forget the newest segment. What its slot holds is there until that is given back. */
static void to_outer(struct green *t)
{
	const struct green_segment s = *t->segment;

	/* Newer lies below older, and the way back at the top of each. */
	green_assert((uintptr_t)(t->segment + 1) == t->hi && t->hi <= s.lo);
	green_assert(s.lo <= s.sp && s.sp < s.hi && s.slot->lo == s.lo && s.slot->hi == s.hi);
	t->lo = s.lo;
	t->hi = s.hi;
	t->limit = s.limit;
	t->slot = s.slot;
	t->segment = s.outer;
}

/*
 * Their slots become spares, as if they had been left one by one: who is on its
 * way by longjmp() runs there still.
 */
void green_segments_drop(struct green *t, uintptr_t addr)
{
	while (t->segment && (addr < t->lo || addr >= t->hi)) {
		t->slot->next = t->rare->spare;
		t->rare->spare = t->slot;
		to_outer(t);
	}
}

void green_segments_give_back(struct green *t)
{
	trim(t, 0);
}

/* The thread has ended. */
void green_segments_free(struct green *t)
{
	while (t->segment) {
		struct green_slot *slot = t->slot;

		to_outer(t);
		green_slot_put_segment(slot);
	}
	trim(t, 0);
}
