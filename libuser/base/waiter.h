/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A thread's place in what it waits in, which is the only one, or for green_select() one
 * of several.
 *
 * Who owns it: until it is in a list its thread; then whoever has that object's lock. It
 * leaves the list by the hand of whoever has claimed the thread (sched/wait.h), or
 * finds that somebody else has.
 */
#ifndef GREEN_BASE_WAITER_H
#define GREEN_BASE_WAITER_H

#include <stdbool.h>
#include <stddef.h>

struct green;

struct green_waiter {
	struct green_waiter *next;
	struct green_waiter *prev;	/* NULL: it is in no list; of the first: itself */
	struct green *t;
	/*
	 * Where it takes a value from, or puts one: on its stack perhaps, and then a move
	 * adjusts it (green_wait_kind's adjust()). Who has claimed the thread may use it.
	 */
	void *data;
};

/* Is it in a list? */
static inline bool green_waits(const struct green_waiter *w)
{
	return w->prev != NULL;
}

/*
 * The first that came first. All zeros: none; so an object with a list may lie in
 * static memory, or on a stack that moves while nobody waits: nothing points to it.
 */
struct green_waiters {
	struct green_waiter *first, *last;
};

#endif
