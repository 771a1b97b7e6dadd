/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Stack slots: the memory of a stack or a segment. */
#ifndef GREEN_MEMORY_SLOT_H
#define GREEN_MEMORY_SLOT_H

#include "base/assert.h"
#include "memory/sizes.h"
#include <stdbool.h>
#include <stdint.h>

struct green;

/* A slot of the arena: a gap, which is sealed, unless it is packed; then the stack. */
struct green_slot {
	struct green_slot *next;	/* in the free list of its size */
	uintptr_t lo;			/* first usable byte, above the gap */
	uintptr_t hi;
	struct green_slab *slab;	/* that it is packed in, or NULL */
	unsigned int gap;		/* bytes; 0 if it is packed */
	unsigned char size;		/* in green_sizes */
	bool sealed;			/* a move left all of it sealed */
#ifdef GREEN_CHECKS
	bool in_use;			/* nobody's list has it */
#endif
};

/* A slot leaves the free ones, or comes back: never twice. */
static inline void green_slot_check(struct green_slot *slot, bool in_use)
{
#ifdef GREEN_CHECKS
	green_assert(slot->in_use != in_use);
	slot->in_use = in_use;
#else
	(void)slot;
	(void)in_use;
#endif
}

enum green_slot_kind {
	SLOT_ANY,
	SLOT_GUARDED,			/* with a gap: for code that tests nothing */
	SLOT_COLD,			/* ... and no pages: for what a move puts there */
};

void green_stacks_init(void);
void green_stacks_exit(void);
/*
 * A slot of at least @bytes that ends at @below at the latest, with @gap below it if
 * it is not packed; or NULL.
 */
struct green_slot *green_slot_get(size_t bytes, enum green_slot_kind kind, size_t gap,
				  uintptr_t below);
/*
 * A pass over all threads is over: free slots that nobody has taken for two of them are to
 * give their pages back.
 */
void green_slots_age(void);
/* ... up to @n of these do. True: there are more. */
bool green_slots_give_back(unsigned int n);
/* The gap below a slot of @bytes of @t. */
size_t green_gap_of(const struct green *t, size_t bytes);
/* Whole pages; UINTPTR_MAX stays beyond GREEN_LARGEST_GAP. */
static inline size_t green_gap_round(size_t gap)
{
	return gap > GREEN_LARGEST_GAP ? gap : (gap + GREEN_PAGE - 1) & ~(GREEN_PAGE - 1);
}
void green_slot_put(struct green_slot *slot);
/* ... of a segment: where a search by address finds it, not in a worker's cache. */
void green_slot_put_segment(struct green_slot *slot);
static inline size_t green_slot_bytes(const struct green_slot *slot)
{
	return green_sizes[slot->size].bytes;
}
static inline unsigned int green_slot_slack(const struct green_slot *slot)
{
	return green_sizes[slot->size].slack;
}
void green_stack_set(struct green *t, struct green_slot *slot);

/* From how many bytes on the backend's move is faster than a copy. */
size_t green_calibrate(void);

#endif
