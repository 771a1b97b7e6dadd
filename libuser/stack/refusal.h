/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Why a stack was not moved. */
#ifndef GREEN_STACK_REFUSAL_H
#define GREEN_STACK_REFUSAL_H

#include <green.h>

/* Fills @why; -EBUSY. @pc: a function, or a return address. */
int green_refuse(struct green_nomove *why, enum green_nomove_reason reason,
		 const void *pc);
void green_refusals_clear(void);
/* Returns the kind, for others of the same. */
unsigned int green_count_refusal(const struct green_nomove *why);
void green_count_refused_again(unsigned int kind);
void green_count_refusal_at(enum green_nomove_reason reason, const void *pc);

#endif
