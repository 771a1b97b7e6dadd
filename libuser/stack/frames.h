/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Frames of a stack, innermost first, along the chain of frame pointers: for all who
 * follow it. A function that is mapped keeps rbp as its frame pointer; of any other it
 * is what its callers had, or nothing at all. So who goes on from one that is not mapped
 * believes nothing of what comes then.
 *
 * Where a segment begins stands one more: its ret is that of green_segment_leave(), it
 * holds copies of arguments, and its caller's frame is in the segment before.
 */
#ifndef GREEN_STACK_FRAMES_H
#define GREEN_STACK_FRAMES_H

#include "arch/x86_64/frame.h"
#include "base/thread.h"
#include "stack/bounds.h"
#include "stack/segment.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct green_frame {
	const void *ret;		/* where its function goes on */
	uintptr_t rbp;			/* of the function */
	uintptr_t rsp;			/* at the call: all of the frame is above it */
	uintptr_t lo, hi;		/* of the segment that it is in */
};

/* Of a thread inside the runtime, or parked: who called. */
static inline void green_frame_first(const struct green *t, struct green_frame *f)
{
	const struct green_saved *s = (const void *)t->sp;

	*f = (struct green_frame){
		(const void *)s->pc, s->rbp, (uintptr_t)(s + 1), t->lo, t->hi,
	};
	/* Cancelled: as if called in the place of what it waited in. */
	if (f->ret == (const void *)green_cancelled) {
		f->ret = *(const void **)f->rsp;
		f->rsp += 8;
	}
}

/*
 * A function that has found its stack too small, or its slice over, in front of all it
 * does, has no frame: from there to its caller.
 */
static inline void green_frame_skip_entry(struct green_frame *f)
{
	const struct green_entry *e = (const void *)f->rsp;

	if (f->ret != (const void *)green_stack_morestack_return)
		return;
	f->rsp = (uintptr_t)(e + 1) + 8;
	f->ret = *(const void **)(e + 1);
}

/* Of which no more is known than its @rbp. False: that is not on the stack. */
static inline bool green_frame_at(const struct green *t, const void *ret, uintptr_t rbp,
				  struct green_frame *f)
{
	f->ret = ret;
	f->rbp = rbp;
	if (!green_range_of(t, rbp, &f->lo, &f->hi))
		return false;
	f->rsp = f->lo;
	return true;
}

/* Are these bytes words of its segment? */
static inline bool green_frame_has(const struct green_frame *f, uintptr_t addr, size_t size)
{
	return addr >= f->lo && addr < f->hi && size <= f->hi - addr && addr % 8 == 0;
}

/* Is the caller's frame pointer where it must be, and the return address above it? */
static inline bool green_frame_is_whole(const struct green_frame *f)
{
	return f->rbp >= f->rsp && green_frame_has(f, f->rbp, 16);
}

/* To the caller of a function that is in the same segment; the frame is whole. */
static inline void green_frame_up(struct green_frame *f)
{
	const uintptr_t *frame = (const uintptr_t *)f->rbp;

	f->rsp = f->rbp + 16;
	f->ret = (const void *)frame[1];
	f->rbp = frame[0];
}

/* ... of any. False: the chain ends. */
static inline bool green_frame_next(struct green_frame *f)
{
	const struct green_segment *s;

	if (!green_frame_is_whole(f))
		return false;
	if (!green_is_join(f->ret)) {
		green_frame_up(f);
		return true;
	}
	s = (const void *)(f->rbp - offsetof(struct green_segment, rbp));
	if ((uintptr_t)(s + 1) != f->hi)
		return false;
	*f = (struct green_frame){ s->ret, s->rbp, s->sp + 8, s->lo, s->hi };
	return true;
}

#endif
