/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _GREEN_MOVE_H
#define _GREEN_MOVE_H

#include <linux/types.h>

struct green_arena;
struct green_move;

#define GREEN_MAX_MOVES		64U
#define GREEN_MAX_RELOCS	65536U

int green_move(struct green_arena *arena, const struct green_move *req,
	       u32 *failed);

#endif /* _GREEN_MOVE_H */
