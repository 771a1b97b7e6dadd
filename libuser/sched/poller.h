/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What workers wait in, and what it tells them. It knows nothing of the scheduler. */
#ifndef GREEN_SCHED_POLLER_H
#define GREEN_SCHED_POLLER_H

#include <stdbool.h>
#include <stdint.h>

struct green;

/**
 * struct green_poller - one for all workers (green_rt.poller); the caller has the lock
 * @poll:	begin what is to begin, and return the threads whose calls have ended, linked
 *		by their next; with @wait it waits for some, or for kick(), until @until (0:
 *		for ever), without the lock. One worker at a time waits.
 * @flush:	begin what is to begin
 * @kick:	end the wait
 * @busy:	will it ever return a thread?
 */
struct green_poller {
	struct green *(*poll)(bool wait, uint64_t until);
	void (*flush)(void);
	void (*kick)(void);
	bool (*busy)(void);
};

#endif
