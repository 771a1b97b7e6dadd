/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Moving a stack. */
#ifndef GREEN_STACK_MOVE_H
#define GREEN_STACK_MOVE_H

#include <stddef.h>

struct green;

struct green_worker;

struct green_nomove;

/*
 * @size: of the new slot, 0: as the old; more if live frames have secured more, but not
 * as much as the old one has if that is not what was asked for: -ENOSPC. A refusal is not
 * counted.
 */
int green_try_move(struct green *t, size_t size, struct green_nomove *why);
int green_move(struct green *t, size_t size,
	       struct green_nomove *why);
void green_after(struct green_worker *w);

#endif
