/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The sizes of stack slots, in one table, and what is kept of each. The least slack
 * is what may be used below the limit at most: a frame of 256 bytes, and under it a
 * leaf function with 256 and the red zone, or green_try() and the entry of growth
 * from a test. A signal's frame does not fit, where it has no stack of its own.
 */
#include "memory/sizes.h"

const struct green_size green_sizes[GREEN_SIZES] = {
	/* bytes	slack	cached	warm */
	{ GREEN_LEAST_SIZE, 704, 32,	0 },
	{ 2UL << 10,	1024,	32,	0 },
	{ 4UL << 10,	1024,	32,	0 },
	{ 8UL << 10,	1024,	32,	0 },
	{ 16UL << 10,	8192,	32,	64 },
	{ 32UL << 10,	8192,	32,	64 },
	{ 64UL << 10,	8192,	32,	64 },
	{ 128UL << 10,	8192,	16,	64 },
	{ 256UL << 10,	8192,	16,	64 },
	{ 512UL << 10,	8192,	4,	32 },
	{ 1UL << 20,	8192,	2,	16 },
	{ 2UL << 20,	8192,	0,	8 },
	{ 4UL << 20,	8192,	0,	4 },
	{ 8UL << 20,	8192,	0,	2 },
	{ 16UL << 20,	8192,	0,	1 },
	{ 32UL << 20,	8192,	0,	0 },
	{ 64UL << 20,	8192,	0,	0 },
	{ 128UL << 20,	8192,	0,	0 },
	{ 256UL << 20,	8192,	0,	0 },
	{ 512UL << 20,	8192,	0,	0 },
	{ 1UL << 30,	8192,	0,	0 },
	{ 2UL << 30,	8192,	0,	0 },
};

size_t green_bytes_for(size_t room)
{
	unsigned int size = 0;

	while (size < GREEN_SIZES &&
	       green_sizes[size].bytes - (size < GREEN_PACKED ? 0 : GREEN_PAGE) <
	       room + green_sizes[size].slack)
		size++;
	return size < GREEN_SIZES ? green_sizes[size].bytes : 2 * GREEN_LARGEST_STACK;
}
