/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Free slots of a size, by age and by address. */
#ifndef GREEN_MEMORY_FREE_SLOTS_H
#define GREEN_MEMORY_FREE_SLOTS_H

#include "memory/slot.h"

/* A slot that is no packed one, as it is allocated. */
struct green_free {
	struct green_slot slot;
	struct green_free *younger, **link;	/* by age */
	uint64_t age;				/* how many were put before it */
	struct green_free *lower, *higher;	/* by address */
};

struct green_free_list {
	struct green_free *head, **tail;
	struct green_free *tree;
	unsigned int nr;
	uint64_t put;
};

void green_free_init(struct green_free_list *l);
void green_free_put(struct green_free_list *l, struct green_slot *s);
/* Taken out, or NULL: one that has @gap, and ends at @below at the latest. */
struct green_slot *green_free_oldest(struct green_free_list *l, size_t gap);
/* ... the oldest of the highest @among. */
struct green_slot *green_free_highest(struct green_free_list *l, size_t gap, uintptr_t below,
				      unsigned int among);

#endif
