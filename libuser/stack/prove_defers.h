/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Records of deferred calls, and whether they may move with their stack. */
#ifndef GREEN_STACK_PROVE_DEFERS_H
#define GREEN_STACK_PROVE_DEFERS_H

#include <green.h>
#include <stdbool.h>
#include <stdint.h>

struct green;
struct green_proof;

/* In a green_defer's flags. */
#define GREEN_RECORD_HEAP	1	/* ours to free */
#define GREEN_RECORD_CLOSURE	2
#define GREEN_RECORD_UNTESTED	4	/* its call needs a segment to run on */

/* What struct green_scope's pending has above the number of calls, while there are any. */
#define GREEN_SCOPE_MARK	(0x67736370UL << 32)	/* "gscp" */
#define GREEN_SCOPE_CALLS	0xffffffffUL

/* Of the newest record, of which there is one. */
struct green_scope *green_defer_scope(const struct green *t);
bool green_word_in_record(struct green *t, uintptr_t addr);
int green_prove_defers(struct green *t, struct green_proof *p,
		       struct green_nomove *why);
void green_adjust_defers(struct green *t, uintptr_t lo, uintptr_t hi, long delta);

#endif
