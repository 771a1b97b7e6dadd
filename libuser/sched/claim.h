/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Who ends the wait of a parked thread, and who moves its stack meanwhile. */
#ifndef GREEN_SCHED_CLAIM_H
#define GREEN_SCHED_CLAIM_H

#include "base/runtime.h"
#include "base/thread.h"
#include <stdbool.h>

/* With several workers. */
bool green_claim_among(struct green *t);

/* Is it the caller who ends the wait of @t? Then @t is the caller's until green_ready(). */
static inline bool green_claim(struct green *t)
{
	if (green_shared)
		return green_claim_among(t);
	if (t->state != STATE_PARKED)
		return false;
	t->state = STATE_CLAIMED;
	return true;
}

/*
 * It goes on to wait. Only for waits whose end does not give up if it cannot claim: a
 * completion of I/O.
 */
void green_unclaim(struct green *t);
/*
 * May the caller move the stack of @t, or look at it? Then nobody claims it before
 * green_let_go(): who tries waits.
 */
bool green_hold(struct green *t);
void green_let_go(struct green *t);

#endif
