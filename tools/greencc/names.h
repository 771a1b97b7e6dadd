/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The section green_names: functions that a file takes for the C library's. Written
 * by the pass (Names.cpp), brought by libraries (shared.c), read by libuser/names.c.
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

void green_names_add(struct green_names *n);
void green_names_remove(struct green_names *n);

#endif
