/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Depth addresses: where something on a stack would lie if the thread's stack were
 * one piece that never moved, at a place that goes with its descriptor. They measure
 * stacks, and are no addresses: GREEN_FAR keeps them apart from all that are, so that what
 * uses one faults at once, and what looks for stack addresses, be it a proof or a barrier,
 * never takes a number for one.
 *
 * A segment has one word: the depth address of its end, as the first stack has its place.
 * Within it all is at the same distance from that, wherever it is moved, since moves keep
 * the distance from the end. A segment begins at the depth of the return address that its
 * first function has in the segment before, so that what lies above in it, copies of
 * arguments, has the depth of what it is a copy of.
 */
#include "base/thread.h"
#include "base/worker.h"
#include "memory/slot.h"
#include "stack/bounds.h"
#include "stack/depth.h"
#include "stack/segment.h"

/* Bit 47: of an address in user space it is 0. */
#define GREEN_FAR	(1UL << 47)
/* No stack is so deep. */
#define DEEP		(1UL << 46)

/* Of the first stack's end. What is aligned to a page's size is so by its depth, too. */
static uintptr_t first_hi(const struct green *t)
{
	return GREEN_FAR | DEEP | ((uintptr_t)t * (GREEN_PAGE / 64) & (DEEP - GREEN_PAGE));
}

static uintptr_t depth_address(const struct green *t, uintptr_t addr)
{
	const struct green_segment *s = t->segment;
	uintptr_t lo = t->lo, hi = t->hi;

	while (addr < lo || addr > hi) {
		if (!s)
			return addr;
		lo = s->lo;
		hi = s->hi;
		s = s->outer;
	}
	return addr - hi + (s ? s->depth_hi : first_hi(t));
}

uintptr_t green_depth_of_segment(const struct green *t, uintptr_t ret,
				 const struct green_slot *slot, uintptr_t top)
{
	return depth_address(t, ret) + (slot->hi - top);
}

static const struct green *current(void)
{
	return green_worker ? green_worker->current : NULL;
}

/*
 * Mapped code calls this in functions that do not test their stack: it has next to no
 * frame, and is no safepoint.
 */
uintptr_t green_stack_depth_address(const volatile void *addr)
{
	const struct green *t = current();

	return t ? depth_address(t, (uintptr_t)addr) : (uintptr_t)addr;
}

size_t green_stack_depth(void)
{
	const struct green *t = current();
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return t && green_on_stack(t, here) ? first_hi(t) - depth_address(t, here) : 0;
}
