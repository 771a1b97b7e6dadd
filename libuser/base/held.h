/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a thread holds of mutexes and rwlocks: counted always; a debug build knows which,
 * and says so of threads that end, or are left at green_run()'s end, with some.
 *
 * The counts are a thread's own: it changes them itself, or who has claimed it.
 */
#ifndef GREEN_BASE_HELD_H
#define GREEN_BASE_HELD_H

#include "base/thread.h"

#ifdef GREEN_CHECKS
void green_holds(struct green *t, const void *what);
void green_holds_no_more(struct green *t, const void *what);
/* It is at its end: does it hold anything? */
void green_held_look(const struct green *t, const char *how);
#else
static inline void green_holds(struct green *t, const void *what)
{
	(void)what;
	t->held++;
}

static inline void green_holds_no_more(struct green *t, const void *what)
{
	(void)what;
	t->held--;
}

static inline void green_held_look(const struct green *t, const char *how)
{
	(void)t;
	(void)how;
}
#endif

#endif
