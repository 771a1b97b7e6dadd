/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Where a thread's stack is. */
#ifndef GREEN_STACK_BOUNDS_H
#define GREEN_STACK_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct green;

/* The bounds of the segment that @addr lies in; false if in none. */
bool green_range_of(const struct green *t, uintptr_t addr, uintptr_t *lo, uintptr_t *hi);
bool green_on_stack(const struct green *t, uintptr_t addr);
/* Of all segments. */
size_t green_stack_bytes(const struct green *t);

#endif
