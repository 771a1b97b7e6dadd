/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Waits in channels, their begins and ends: sched/wait.h has the rules.
 *
 * A thread that waits in several channels is in the list of each. Who claims it by way of
 * one of them takes it out of the others without that one's lock: in between others find
 * it there, cannot claim it, and take it out themselves.
 */
#include "base/handle.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/outside.h"
#include "sched/wait.h"
#include "sync/chan.h"
#include "sync/chan_wait.h"
#include "unwind/exit.h"

#include <errno.h>
#include <stdlib.h>

static struct green_waiters *list_of(struct green_chan *c, bool sends)
{
	return sends ? &c->senders : &c->receivers;
}

static void leave(struct green_chan *c, bool sends, struct green_waiter *w)
{
	green_spin_lock(&c->lock, RANK_OBJECT);
	green_waiter_del(list_of(c, sends), w);
	green_chan_unlock(c);
}

/* ---- in one ---------------------------------------------------------------- */

static bool send_no_longer(struct green *t)
{
	leave(t->wait_on, true, &t->waiter);
	return true;
}

static bool recv_no_longer(struct green *t)
{
	leave(t->wait_on, false, &t->waiter);
	return true;
}

static const struct green_wait_kind sending = {
	.name = "chan send", .abort = send_no_longer, .adjust = green_waiter_adjust,
};
static const struct green_wait_kind receiving = {
	.name = "chan recv", .abort = recv_no_longer, .adjust = green_waiter_adjust,
};

/* The current thread would wait: may it? */
static inline int may_wait(struct green *t)
{
	if (green_cancel_point(t))
		return -ECANCELED;
	/* What it returns if its timer ends the wait. */
	t->ret = -ETIMEDOUT;
	if (!t->deadline)
		return 0;
	return t->deadline <= green_now_ns() ? -ETIMEDOUT : green_wake_at_deadline(t);
}

int green_chan_wait(struct green_chan *c, bool sends, void *value)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;
	int err = may_wait(t);

	if (!err) {
		t->wait_on = c;
		green_wait_in(list_of(c, sends), t, value);
		green_park(w, sends ? &sending : &receiving);
	}
	green_chan_unlock(c);
	return err;
}

int green_chan_wait_outside(struct green_chan *c, bool sends, void *value, struct green *guest)
{
	guest->wait = sends ? &sending : &receiving;
	guest->wait_on = c;
	green_wait_in(list_of(c, sends), guest, value);
	green_set_state(guest, STATE_PARKED);
	green_chan_unlock(c);
	return GREEN_OUTSIDE_PARKED;
}

static void guests_leave(struct green_waiters *list)
{
	struct green_waiter *w, *next;

	for (w = list->first; w; w = next) {
		next = w->next;
		if (w->t->home || !green_claim(w->t))
			continue;
		green_waiter_del(list, w);
		w->t->ret = -ESHUTDOWN;
		green_ready(w->t);
	}
}

void green_chan_guests_exit(struct green_chan *c)
{
	guests_leave(&c->senders);
	guests_leave(&c->receivers);
}

/* ---- in several ------------------------------------------------------------ */

/* Out of all lists. The thread is claimed, so nobody else ends its wait. */
static void leave_all(struct green_selection *s)
{
	for (unsigned int i = 0; i < s->nr; i++) {
		struct green_place *p = &s->place[i];

		if (p->chan)
			leave(p->chan, p->sends, &p->waiter);
	}
	free(s);
}

static bool select_no_longer(struct green *t)
{
	leave_all(t->wait_on);
	return true;
}

static void *adjusted(void *p, uintptr_t lo, uintptr_t hi, long delta)
{
	return (uintptr_t)p >= lo && (uintptr_t)p < hi ? (char *)p + delta : p;
}

static void adjust_select(struct green *t, uintptr_t lo, uintptr_t hi, long delta)
{
	struct green_selection *s = t->wait_on;

	s->cases = adjusted(s->cases, lo, hi, delta);
	for (unsigned int i = 0; i < s->nr; i++)
		s->place[i].waiter.data = adjusted(s->place[i].waiter.data, lo, hi, delta);
}

static const struct green_wait_kind selecting = {
	.name = "select", .abort = select_no_longer, .adjust = adjust_select,
};

int green_selection_wait(struct green_selection *s)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;
	int err = may_wait(t);

	if (err)
		return err;
	for (unsigned int i = 0; i < s->nr; i++) {
		struct green_place *p = &s->place[i];

		p->waiter.t = t;
		if (p->chan)
			green_waiter_put(list_of(p->chan, p->sends), &p->waiter);
	}
	t->wait_on = s;
	green_park(w, &selecting);
	return 0;
}

static void end_select(struct green *t, struct green_waiter *w, int result)
{
	struct green_selection *s = t->wait_on;
	struct green_place *p = (struct green_place *)((char *)w -
						       offsetof(struct green_place, waiter));
	unsigned int i = p - s->place;

	green_assert(i < s->nr);
	s->cases[i].result = result;
	t->ret = i;
	leave_all(s);
}

void green_chan_end(struct green_waiter *w, int result)
{
	struct green *t = w->t;

	if (t->wait == &selecting)
		end_select(t, w, result);
	else
		t->ret = result;
	green_ready(t);
}

void green_selections_exit(void)
{
	for (unsigned long i = 0; i < green_descriptors(); i++) {
		struct green *t = green_thread_at(i);

		if (t && t->wait == &selecting)
			free(t->wait_on);
	}
}
