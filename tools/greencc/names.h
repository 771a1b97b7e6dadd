/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The sections green_names, functions that a file takes for the C library's, and
 * green_ways, functions of other files that it calls by a name of greencc's
 * (Outgoing.cpp). Written by the pass and greenmap; libraries bring their own
 * (shared.c).
 */
#ifndef GREENCC_NAMES_H
#define GREENCC_NAMES_H

#include <stdint.h>

/* Offsets from the fields themselves. */
struct green_name {
	int32_t entry;			/* ... of the global offset table */
	int32_t name;
};

struct green_names {
	const struct green_name *start, *end;
	struct green_names *next;
};

struct green_way {
	int32_t function;		/* its entry of the global offset table */
	int32_t way;			/* where calls go */
	int32_t name;
};

void green_names_add(struct green_names *n);
void green_names_remove(struct green_names *n);

#endif
