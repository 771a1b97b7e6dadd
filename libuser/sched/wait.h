/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A wait, from its begin to its end.
 *
 * Begin: a runtime call of the current thread finds, under the lock of an object, that
 * the thread has to wait in it. It sets its timer first if it has a deadline
 * (green_wake_at_deadline(), which may fail), puts the thread's waiter into the object's
 * list, calls green_park(), and gives the lock up. From then on the thread is not the
 * caller's: all of it is on its own stack, and another worker may run it already.
 *
 * End: whoever ends the wait (a thread that brings what it waits for, its timer,
 * green_cancel()) claims it; one of them succeeds. That one takes its waiter out of the
 * list (under the object's lock), fills in t->ret and what the thread asked for, and calls
 * green_ready() without the lock. Who finds a thread in a list that another has
 * claimed takes its waiter out, and goes on to the next.
 *
 * While a thread is parked and not claimed its stack may move; from the claim on it
 * stays, and so do addresses in it.
 */
#ifndef GREEN_SCHED_WAIT_H
#define GREEN_SCHED_WAIT_H

#include "base/assert.h"
#include "base/thread.h"
#include "base/waiter.h"
#include "sched/claim.h"

#include <stdbool.h>
#include <stdint.h>

struct green_worker;

/**
 * struct green_wait_kind - what can be done with a thread that waits so
 * @name:	for reports
 * @thread:	t->wait_on is one, whose end it waits for; else it is an object, or NULL
 * @abort:	the caller has claimed the thread, since its deadline has come or it is
 *		cancelled: take it out of what it waits in. True: that is done. False: it
 *		goes on to wait, for it ends by itself, soon, and is not claimed any more.
 *		NULL: it is in nothing, true.
 * @adjust:	addresses in [@lo, @hi), on its stack, that the wait has kept are to change
 *		by @delta; NULL: it keeps none
 */
struct green_wait_kind {
	const char *name;
	bool thread;
	bool (*abort)(struct green *t);
	void (*adjust)(struct green *t, uintptr_t lo, uintptr_t hi, long delta);
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
/* The current thread, which is about to park, waits until @at at the latest. 0, or -ENOMEM. */
int green_wake_at(struct green *t, uint64_t at);
int green_wake_at_deadline(struct green *t);
/* Those of @w's whose timers have rung. Was there any? */
bool green_wake_expired(struct green_worker *w);
/* The wait of @t, which the caller has claimed, is to end before its time. */
void green_wait_abort(struct green *t);

/* ---- lists of waiters ---------------------------------------------------- */

/* Comes last; it is in no list. */
static inline void green_waiter_put(struct green_waiters *list, struct green_waiter *w)
{
	green_assert(!green_waits(w));
	green_assert(!list->first == !list->last && (!list->last || !list->last->next));
	w->next = NULL;
	w->prev = list->last ?: w;
	if (list->last)
		list->last->next = w;
	else
		list->first = w;
	list->last = w;
}

/* Out of it, if it is in one. */
static inline void green_waiter_del(struct green_waiters *list, struct green_waiter *w)
{
	bool first = w->prev == w;

	if (!green_waits(w))
		return;
	green_assert(first ? list->first == w : w->prev->next == w);
	green_assert(w->next ? w->next->prev == w : list->last == w);
	if (first)
		list->first = w->next;
	else
		w->prev->next = w->next;
	if (w->next)
		w->next->prev = first ? w->next : w->prev;
	else
		list->last = first ? NULL : w->prev;
	w->prev = NULL;
}

/* Out of it, the first whose thread could be claimed; NULL: there is none. */
static inline struct green_waiter *green_waiter_claim(struct green_waiters *list)
{
	struct green_waiter *w;

	while ((w = list->first)) {
		green_waiter_del(list, w);
		if (green_claim(w->t))
			return w;
	}
	return NULL;
}

/* @t, which is about to park, comes last, with its own waiter. */
static inline void green_wait_in(struct green_waiters *list, struct green *t, void *data)
{
	t->waiter.t = t;
	t->waiter.data = data;
	green_waiter_put(list, &t->waiter);
}

/* For struct green_wait_kind's adjust(), if it waits with its own waiter. */
void green_waiter_adjust(struct green *t, uintptr_t lo, uintptr_t hi, long delta);

#endif
