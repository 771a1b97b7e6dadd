/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Waits in channels: in one, or by green_select() in several. */
#ifndef GREEN_SYNC_CHAN_WAIT_H
#define GREEN_SYNC_CHAN_WAIT_H

#include "base/waiter.h"
#include <green_sync.h>
#include <stdbool.h>
#include <stddef.h>

struct green;
struct green_chan;

/*
 * A green_select() that waits, which the thread's wait_on points to: as many places as it
 * has cases. Who has claimed the thread takes them out, one after the other, and
 * frees it.
 */
struct green_selection {
	struct green_case *cases;	/* on the thread's stack, perhaps */
	unsigned int nr;
	struct green_place {
		struct green_waiter waiter;
		struct green_chan *chan;	/* NULL: it is in none */
		bool sends;
	} place[];
};

/*
 * The current thread has found, under the lock of @c, that it has to wait in it. Gives
 * the lock up; the thread is its own then. Returns what the call does, if it does not wait.
 */
int green_chan_wait(struct green_chan *c, bool sends, void *value);
/* The same for a guest from outside (sched/outside.h); returns GREEN_OUTSIDE_PARKED. */
int green_chan_wait_outside(struct green_chan *c, bool sends, void *value, struct green *guest);
/* The same with the locks of all that are in @s, but that the caller gives them up. */
int green_selection_wait(struct green_selection *s);
/*
 * The wait of @w, whose thread the caller has claimed, is over with @result. The caller
 * has no lock.
 */
void green_chan_end(struct green_waiter *w, int result);
/* Guests that are left return -ESHUTDOWN; nobody runs. */
void green_chan_guests_exit(struct green_chan *c);
/* Selections of threads that are never to run again. */
void green_selections_exit(void);

#endif
