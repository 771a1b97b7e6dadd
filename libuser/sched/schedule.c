/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The scheduler's loop: look around, take the next thread, run it. */
#include "arch/x86_64/frame.h"
#include "base/assert.h"
#include "base/freeze.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "memory/arena.h"
#include "memory/backend.h"
#include "sched/cancel.h"
#include "sched/kick.h"
#include "sched/outside.h"
#include "sched/poller.h"
#include "sched/schedule.h"
#include "sched/slice.h"
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
 *
 * To read the clock costs as much as the rest of a switch. So while threads run for short
 * that is done at every second switch, at every fourth, and in the end at every CLOCK_STRIDE;
 * and once these have taken longer than SHORT_TSC at each: where threads of the one kind are
 * followed by some of the other, the look is late, once, by so many turns.
 */
#define LOOK_SWITCHES	61
#define LOOK_TSC	200000
#define CLOCK_STRIDE	8
#define SHORT_TSC	20000

/* Forced moves are made where nothing is left out. */
static unsigned int next_stride(const struct green_worker *w, uint64_t taken)
{
	if (taken >= SHORT_TSC || green_rt.debug.move_park)
		return 1;
	return w->stride < CLOCK_STRIDE ? 2 * w->stride : CLOCK_STRIDE;
}

/* The clock is to be read. */
static bool time_to_look(struct green_worker *w)
{
	uint64_t now = __builtin_ia32_rdtsc();

	w->turns += w->stride;
	w->stride = next_stride(w, now - w->clock);
	w->ticks = w->stride;
	w->clock = now;
	if (w->turns < LOOK_SWITCHES && now - w->looked < LOOK_TSC)
		return false;
	w->turns = 0;
	w->looked = now;
	return true;
}

/* Is this switch one at which it is not? */
static inline bool goes_on(struct green_worker *w)
{
	if (w->ticks <= 1)
		return false;
	w->ticks--;
	return true;
}

/* As often as a pass over all stacks begins. */
static void look_at_signals(void)
{
	uint64_t began = atomic_load_explicit(&green_rt.shrink.began, memory_order_relaxed);

	if (atomic_load_explicit(&green_rt.signals_looked, memory_order_relaxed) == began)
		return;
	atomic_store_explicit(&green_rt.signals_looked, began, memory_order_relaxed);
	green_signals_look();
}

/* What threads of @v wait for, which is busy with one of them for long, or that of @w itself. */
static void look_after(struct green_worker *w, struct green_worker *v)
{
	green_wake_expired(v);
	green_ready_all(green_rt.poller->poll(v));
	if (v != w)
		green_rescue(w, v);
}

static void look_after_others(struct green_worker *w)
{
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		if (i != w->nr && green_is_stuck(&green_rt.worker[i]))
			look_after(w, &green_rt.worker[i]);
}

/* What others wait for, while this worker has threads to run. */
static void look_around(struct green_worker *w)
{
	green_shrink_some(1);
	look_at_signals();
	look_after(w, w);
	look_after_others(w);
	green_outside_look();
}

/*
 * A thread has just parked here. Whoever cancelled it meanwhile may have found it
 * running, and it found nothing when it looked itself: so that is looked for once more.
 */
static void look_for_cancel(struct green_worker *w)
{
	struct green *t = w->parked;

	w->parked = NULL;
	if (t && green_shared && green_cancel_was_asked(t))
		green_cancel_now(t);
}

/* From here on the thread is its own. */
static inline struct green *run(struct green_worker *w, struct green *t)
{
	green_assert(t->state == STATE_READY && t->timer < 0 && !green_waits(&t->waiter));
	/* The program may have made a stack of its own; one of ours is the newest. */
	green_assert(!green_in_slots(t->sp) || (t->lo <= t->sp && t->sp < t->hi));
	green_set_state(t, STATE_RUNNING);
	t->home = w;
	green_set_current(w, t);
	if (t->sliced)
		green_slice_resume(t);
	if (green_shared)
		green_pass_on_the_watch();
	if (t->rare || !w->reserve || !w->spare_escapes)
		green_escape_switch(w, t);
	else
		green_escape_low = UINTPTR_MAX;
	__atomic_store_n(&w->stats.switches, w->stats.switches + 1, __ATOMIC_RELAXED);
	if (green_rt.debug.switch_module && green_rt.backend->resume)
		green_rt.backend->resume(green_switch_resume, t->sp, t);
	return t;
}

/* Called by entry.S, again and again: the next thread, or NULL at the end. */
struct green *green_schedule(struct green_worker *w)
{
	struct green *t;

	look_for_cancel(w);
	while (!atomic_load_explicit(&green_rt.main_done, memory_order_acquire)) {
		if (!goes_on(w) && time_to_look(w))
			look_around(w);
		t = green_next_thread(w);
		if (t)
			return run(w, t);
		if (green_wake_expired(w) || green_outside_look())
			continue;
		green_rest(w);
		look_at_signals();
		look_after_others(w);
	}
	green_be_still(w);
	return NULL;
}

/*
 * It is ready, and no queue of another worker's has to know. Mostly there is nothing to do
 * but to run the next thread: then that is the current one when this returns.
 */
void rt_yield(void)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;

	if (green_cancel_point(t))
		return;
	green_set_current(w, NULL);
	if (goes_on(w)) {
		run(w, green_take_turns(w, t));
		return;
	}
	green_give_way(w, t);
}
