/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Ends before their time: green_exit() and green_cancel(). */
#ifndef GREEN_UNWIND_EXIT_H
#define GREEN_UNWIND_EXIT_H

#include "base/thread.h"
#include <stdbool.h>

/* Is a green_cancel() of @t to be obeyed now? Then the next does it: @t does not run. */
bool green_cancel_is_due(const struct green *t);
void green_cancel_deliver(struct green *t);
/* What green_join() says of a thread that has ended. */
int green_exit_status(const struct green *t);

/* One has been asked for: true if it is due. */
bool green_cancel_obey(struct green *t);

/*
 * Called where a thread is about to wait, or has been kept from it: true if it
 * is cancelled. When its runtime call returns, it goes on in green_exit().
 */
static inline bool green_cancel_point(struct green *t)
{
	return __atomic_load_n(&t->cancel, __ATOMIC_RELAXED) == CANCEL_ASKED &&
	       green_cancel_obey(t);
}

#endif
