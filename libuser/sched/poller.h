/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What workers rest in, and what it tells them. It knows nothing of the scheduler. */
#ifndef GREEN_SCHED_POLLER_H
#define GREEN_SCHED_POLLER_H

#include <stdbool.h>
#include <stdint.h>

struct green;
struct green_worker;

/**
 * struct green_poller - each worker has what is polled for itself
 * @poll:	begin what is to begin there, and return the threads whose calls have ended,
 *		claimed, in a list along next. @w may be another worker that does not rest.
 * @wait:	begin what is to begin, and wait until poll() would return some, for kick(),
 *		or until @until (0: for ever)
 * @kick:	end its wait, or the next one; by anybody, signal handlers among them
 * @busy:	will it ever return a thread?
 */
struct green_poller {
	struct green *(*poll)(struct green_worker *w);
	void (*wait)(struct green_worker *w, uint64_t until);
	void (*kick)(struct green_worker *w);
	bool (*busy)(const struct green_worker *w);
};

#endif
