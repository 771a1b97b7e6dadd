/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The scheduler's loop: look around, take the next thread, run it. */
#include "arch/x86_64/frame.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "memory/backend.h"
#include "sched/kick.h"
#include "sched/poller.h"
#include "sched/schedule.h"
#include "sched/steal.h"
#include "sched/wait.h"
#include "sched/worker.h"
#include "signal/handler.h"
#include "stack/pin.h"
#include "stack/shrink.h"
#include "unwind/exit.h"

/*
 * The ring and the timers are looked at every so many switches, and at the first one
 * after so many ticks of the TSC, which are 0.2 ms at most: they must be, whatever
 * threads do between their switches.
 */
#define LOOK_SWITCHES	61
#define LOOK_TSC	200000

static bool time_to_look(struct green_worker *w)
{
	w->switched = __builtin_ia32_rdtsc();
	if (--w->ticks && w->switched - w->looked < LOOK_TSC)
		return false;
	w->ticks = LOOK_SWITCHES;
	w->looked = w->switched;
	return true;
}

/* As often as a pass over all stacks begins. */
static void look_at_signals(void)
{
	if (green_rt.signals_looked == green_rt.shrink.began)
		return;
	green_rt.signals_looked = green_rt.shrink.began;
	green_signals_look();
}

/* What others wait for, while this worker has threads to run. */
static void look_around(struct green_worker *w)
{
	green_shrink_some(1);
	look_at_signals();
	green_wake_expired();
	green_ready_all(green_rt.poller->poll(false, 0));
	if (green_shared)
		green_rescue(w);
}

/* From here on the thread is its own; the lock is given up. */
static struct green *run(struct green_worker *w, struct green *t)
{
	t->state = STATE_RUNNING;
	t->home = w;
	green_set_current(w, t);
	if (green_rt.nr_idle && !green_rt.in_ring)
		green_pass_on_the_ring();
	green_escape_switch(w, t);
	green_rt.stats.switches++;
	green_unlock();
	if (green_rt.debug.switch_module && green_rt.backend->resume)
		green_rt.backend->resume(green_switch_resume, t->sp, t);
	return t;
}

/*
 * Called by entry.S, again and again, with the lock: the next thread, or NULL at
 * the end; without it.
 */
struct green *green_schedule(struct green_worker *w)
{
	struct green *t;

	while (!green_rt.main_done) {
		if (time_to_look(w))
			look_around(w);
		t = green_next_thread(w);
		if (t)
			return run(w, t);
		/* What a timer wakes may be in another's queue, and that one busy. */
		if (green_wake_expired())
			continue;
		green_rest(w);
		look_at_signals();
	}
	green_unlock();
	return NULL;
}

static const struct green_wait_kind yield = { .name = "yield" };

void rt_yield(void)
{
	struct green_worker *w = green_worker;

	if (!green_cancel_point(w->current))
		green_ready(green_park(w, &yield));
}
