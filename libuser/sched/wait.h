/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A wait, from its begin to its end. Whoever lets the current thread wait says for what
 * (struct green_wait_kind, with an object of its own in t->wait_on), and parks it. Then
 * the thread is that object's: who finds it there takes it out and calls
 * green_ready(). A deadline, a cancellation and reports know of the wait what its kind
 * says.
 */
#ifndef GREEN_SCHED_WAIT_H
#define GREEN_SCHED_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct green;
struct green_worker;

/**
 * struct green_wait_kind - what can be done with a thread that waits so
 * @name:	for reports
 * @abort:	it is to wait no longer, since its deadline has come or it is cancelled:
 *		take it out of what it waits in. True: the caller goes on with it.
 *		False: the wait ends by itself, soon; NULL: there is nothing to be taken
 *		out of, true.
 */
struct green_wait_kind {
	const char *name;
	bool (*abort)(struct green *t);
};

/*
 * The current thread waits from now on; the caller returns to entry.S. Its t->ret is what
 * the call returns if the timer ends the wait.
 */
struct green *green_park(struct green_worker *w, const struct green_wait_kind *kind);
/* It waits no longer: its timer is taken back, and it is to run. */
void green_ready(struct green *t);
/* A list of them, along next. */
void green_ready_all(struct green *t);
/* ... at @at at the latest. 0, or -ENOMEM. */
int green_wake_at(struct green *t, uint64_t at);
int green_wake_at_deadline(struct green *t);
/* Those whose timers have rung. Was there any? */
bool green_wake_expired(void);

#endif
