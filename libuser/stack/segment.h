/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Stacks of several pieces. */
#ifndef GREEN_STACK_SEGMENT_H
#define GREEN_STACK_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct green;

struct green_slot;

/*
 * At the top of a segment but the first: the segment before it, as it is to be
 * when this one is left. See segment.c.
 */
struct green_segment {
	/* For the assembly: offsets.c. */
	uintptr_t lo, hi, limit;
	uintptr_t sp;			/* of the return address */
	struct green_slot *slot;
	struct green_segment *outer;
	/* The function's caller, as a frame: for those who follow frame pointers. */
	uintptr_t rbp;
	const void *ret;
	uintptr_t depth_hi;		/* of this one: depth.c */
	uintptr_t pad;			/* frames are aligned to 16 bytes */
};

int green_segment_begin(struct green *t, size_t need);
/* The frames below @addr, which lies on the stack, are given up. */
void green_segments_drop(struct green *t, uintptr_t addr);
void green_segments_free(struct green *t);
/* All that it keeps of segments that it has left. */
void green_segments_give_back(struct green *t);

#endif
