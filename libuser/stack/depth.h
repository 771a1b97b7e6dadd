/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Depth addresses. */
#ifndef GREEN_STACK_DEPTH_H
#define GREEN_STACK_DEPTH_H

#include <stdint.h>

struct green;

struct green_slot;

/* That of @slot, if the return address @ret is to lie at @top in it, too. */
uintptr_t green_depth_of_segment(const struct green *t, uintptr_t ret,
				 const struct green_slot *slot, uintptr_t top);

#endif
