/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The address space that stacks are cut from. */
#ifndef GREEN_MEMORY_ARENA_H
#define GREEN_MEMORY_ARENA_H

#include <green.h>
#include <stdbool.h>

int green_arena_init(void);
void green_arena_exit(void);
/* @bytes that were never used, the first @gap of them sealed; 0: there are none. */
uintptr_t green_arena_carve(size_t bytes, size_t gap);
bool green_in_arena(uintptr_t addr);
/* ... in the part that slots are cut from. */
bool green_in_slots(uintptr_t addr);
/* Why the last green_arena_carve() failed, and what to do about it; NULL: it did not. */
const char *green_arena_why(void);
/* Has @opt less than what workers and a thread take? That is then *@least. */
bool green_arena_too_small(const struct green_options *opt, size_t *least);

#endif
