/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Of all who want a parked thread one has it: a compare-and-swap of its state. */
#include "base/assert.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "sched/claim.h"

#include <sched.h>

/* Looks at a thread that is being moved before the mover is taken to be off its CPU. */
#define SPINS	200

static bool pass(struct green *t, enum green_state from, enum green_state to)
{
	if (!green_shared) {
		if (t->state != from)
			return false;
		t->state = to;
		return true;
	}
	return __atomic_compare_exchange_n(&t->state, &from, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

bool green_claim_among(struct green *t)
{
	for (unsigned int i = 0;; i++) {
		enum green_state state = green_state(t);

		if (state == STATE_PARKED && pass(t, STATE_PARKED, STATE_CLAIMED))
			return true;
		if (state != STATE_PARKED && state != STATE_MOVING)
			return false;
		if (i < SPINS)
			__builtin_ia32_pause();
		else
			sched_yield();
	}
}

void green_unclaim(struct green *t)
{
	green_assert(t->state == STATE_CLAIMED);
	green_set_state(t, STATE_PARKED);
}

bool green_hold(struct green *t)
{
	return pass(t, STATE_PARKED, STATE_MOVING);
}

void green_let_go(struct green *t)
{
	green_assert(t->state == STATE_MOVING);
	green_set_state(t, STATE_PARKED);
}
