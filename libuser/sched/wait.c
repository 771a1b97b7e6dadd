/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Parking, and what ends it. */
#include "base/assert.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/kick.h"
#include "sched/outside.h"
#include "sched/poller.h"
#include "sched/queue.h"
#include "sched/timer.h"
#include "sched/wait.h"
#include "stack/move.h"

/*
 * Forced moves come here, when the thread has written down what it waits for:
 * the hardest moment, and the one that real moves meet.
 */
struct green *green_park(struct green_worker *w, const struct green_wait_kind *kind)
{
	struct green *t = w->current;

	green_assert(t && green_state(t) == STATE_RUNNING);
	green_set_current(w, NULL);
	w->parked = t;
	t->wait = kind;
	t->since = w->clock;
	t->idle = 0;
	if (green_rt.debug.move_park) {
		green_set_state(t, STATE_MOVING);
		green_move(t, 0, NULL);
	}
	green_set_state(t, STATE_PARKED);
	return t;
}

void green_ready(struct green *t)
{
	struct green_worker *home = t->home;
	bool kick;

	green_assert(t->state == STATE_CLAIMED || t->state == STATE_UNUSED);
	if (!home) {
		green_outside_ready(t);
		return;
	}
	if (__atomic_load_n(&t->timer, __ATOMIC_ACQUIRE) >= 0)
		green_timer_del(t);
	t->wait = NULL;
	t->wait_on = NULL;
	green_set_state(t, STATE_READY);
	green_spin_lock(&home->lock, RANK_QUEUE);
	green_queue_put(&home->runq, t);
	kick = green_is_to_be_kicked(home);
	green_spin_unlock(&home->lock, RANK_QUEUE);
	if (kick)
		green_rt.poller->kick(home);
	else if (green_shared)
		green_kick_any(home);
}

void green_ready_all(struct green *t)
{
	struct green *next;

	for (; t; t = next) {
		next = t->next;
		green_ready(t);
	}
}

int green_wake_at(struct green *t, uint64_t at)
{
	int err = green_timer_add(t, at);

	/* The first to ring now: its worker must not rest beyond it. */
	if (err > 0 && t->home != green_worker)
		green_kick(t->home);
	return err < 0 ? err : 0;
}

int green_wake_at_deadline(struct green *t)
{
	return t->deadline ? green_wake_at(t, t->deadline) : 0;
}

void green_wait_abort(struct green *t)
{
	if (!t->wait->abort || t->wait->abort(t))
		green_ready(t);
}

bool green_wake_expired(struct green_worker *w)
{
	bool any = false;
	struct green *t;
	uint64_t now;

	if (!green_timers(w))
		return false;
	now = green_now_ns();
	while ((t = green_timer_claim(w, now))) {
		green_wait_abort(t);
		any = true;
	}
	return any;
}

/* ---- lists of waiters ---------------------------------------------------- */

void green_waiter_adjust(struct green *t, uintptr_t lo, uintptr_t hi, long delta)
{
	uintptr_t data = (uintptr_t)t->waiter.data;

	if (data >= lo && data < hi)
		t->waiter.data = (void *)(data + delta);
}
