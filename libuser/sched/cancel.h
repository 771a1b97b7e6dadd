/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* green_cancel(). */
#ifndef GREEN_SCHED_CANCEL_H
#define GREEN_SCHED_CANCEL_H

#include <stdbool.h>

struct green;

/* Has somebody asked, and it has not been obeyed yet? */
bool green_cancel_was_asked(const struct green *t);
/* If it waits, its wait ends; else it is obeyed where @t is about to wait. */
void green_cancel_now(struct green *t);

#endif
