/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The sizes of slots. */
#ifndef GREEN_MEMORY_SIZES_H
#define GREEN_MEMORY_SIZES_H

#include <stddef.h>

#define GREEN_PAGE	4096UL

#define GREEN_LARGEST_STACK	(2UL << 30)
#define GREEN_LARGEST_GAP	(1UL << 30)	/* it is kept in 32 bits */

/*
 * The sizes that slots come in (sizes.c). The limit that entry checks enforce lies
 * @slack above the lowest byte, for what is not checked: small frames and leaf
 * functions, small functions of the C library, the entry of a runtime call.
 */
struct green_size {
	size_t bytes;
	unsigned int slack;
	unsigned int cached;		/* free ones that a worker keeps for itself */
	unsigned int warm;		/* ... that keep their pages, for all */
};

#define GREEN_SIZES 22
#define GREEN_LEAST_SIZE (1UL << 10)	/* each is twice the one before */
#define GREEN_PACKED 4			/* the first so many have no gap */
extern const struct green_size green_sizes[GREEN_SIZES];

/* Of the least size that has @room above its limit; beyond max_stack if none has. */
size_t green_bytes_for(size_t room);

#endif
