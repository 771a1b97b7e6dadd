/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Workers: OS threads that run green threads. What a worker needs is its own; others
 * come for its threads that are ready (steal.c), and while it is busy with one for long,
 * for its timers and completions.
 *
 * At rest a worker waits in the poller, for I/O, its next timer, and kicks. Nobody
 * misses a thread that became ready. Whoever put it into the queue of a worker that rests
 * kicks that, as both hold its lock. Whoever put it into that of a worker that is
 * busy looks for one that rests, to steal it; there is none, or it is seen: a worker counts
 * itself among those that rest, has all CPUs pass a barrier, and looks once more. While
 * others run one of those that rest looks after them every millisecond. Who is outside
 * leaves what he wants in the inbox, and kicks one that rests: outside.c.
 */
#define _GNU_SOURCE
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/freeze.h"
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "maps/site.h"
#include "sched/kick.h"
#include "sched/outside.h"
#include "sched/poller.h"
#include "sched/queue.h"
#include "sched/slice.h"
#include "sched/timer.h"
#include "sched/wait.h"
#include "sched/worker.h"
#include "stack/shrink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Threads whose stacks are looked at before a rest. */
#define REST_SHRINKS	32

/* While others run, a worker does not wait in the ring for longer. */
#define LOOK_UP_NS	1000000u

static bool has_nothing_to_wait_for(struct green_worker *w)
{
	bool nothing;

	green_spin_lock(&w->lock, RANK_QUEUE);
	nothing = w->rests && !w->kicked && !w->aside.nr && !w->runq.nr;
	green_spin_unlock(&w->lock, RANK_QUEUE);
	return nothing && !green_timers(w) && !green_rt.poller->busy(w);
}

/* Who rises may take away what it has waited for, behind the back of one who looks. */
static bool all_rest_for_good(void)
{
	unsigned int rises = atomic_load(&green_rt.rises);

	if (atomic_load(&green_rt.nr_idle) < green_rt.nr_workers ||
	    green_outside_is_expected() || green_outside_waits())
		return false;
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		if (!has_nothing_to_wait_for(&green_rt.worker[i]))
			return false;
	return atomic_load(&green_rt.rises) == rises;
}

/* False: a thread has come meanwhile. */
static bool lie_down(struct green_worker *w)
{
	bool nothing;

	green_spin_lock(&w->lock, RANK_QUEUE);
	nothing = !w->aside.nr && !w->runq.nr;
	__atomic_store_n(&w->rests, nothing, __ATOMIC_RELAXED);
	__atomic_store_n(&w->kicked, false, __ATOMIC_RELAXED);
	green_spin_unlock(&w->lock, RANK_QUEUE);
	if (!nothing)
		return false;
	atomic_fetch_add(&green_rt.nr_idle, 1);
	if (green_shared)
		green_barrier_for_all();
	return true;
}

static void rise(struct green_worker *w)
{
	green_spin_lock(&w->lock, RANK_QUEUE);
	__atomic_store_n(&w->rests, false, __ATOMIC_RELAXED);
	green_spin_unlock(&w->lock, RANK_QUEUE);
	atomic_fetch_add(&green_rt.rises, 1);
	atomic_fetch_sub(&green_rt.nr_idle, 1);
	green_slices_rise();
}

/* Of two times of which 0 is never. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

/* Does another worker have threads that wait for it? */
static bool others_have_more(const struct green_worker *w)
{
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		if (i != w->nr && green_queue_nr(&green_rt.worker[i].runq))
			return true;
	return false;
}

/* While others run one of those that rest looks after them. */
static bool begin_watch(void)
{
	return atomic_load(&green_rt.nr_idle) < green_rt.nr_workers &&
	       !atomic_exchange(&green_rt.watched, true);
}

static void wait_in_poller(struct green_worker *w, uint64_t until)
{
	bool watch = begin_watch();

	until = earlier(until, green_timer_next(w));
	if (watch)
		until = earlier(until, green_now_ns() + LOOK_UP_NS);
	green_be_still(w);
	green_rt.poller->wait(w, until);
	green_stir(w);
	if (watch)
		atomic_store(&green_rt.watched, false);
}

/* Nothing is to be run: wait until there may be. */
void green_rest(struct green_worker *w)
{
	uint64_t again = green_shrink_rest(REST_SHRINKS);

	if (!lie_down(w))
		return;
	if (all_rest_for_good()) {
		green_rt.deadlock = true;
		green_stop(-EDEADLK);
	} else if (!atomic_load(&green_rt.main_done) && !others_have_more(w) &&
		   !green_outside_waits()) {
		wait_in_poller(w, again);
	}
	rise(w);
	green_ready_all(green_rt.poller->poll(w));
}

/* ---- their lives -------------------------------------------------------- */

/* What it is for an OS thread to be a worker; its end before that is the process's. */
static pthread_key_t life;

static void ended(void *worker)
{
	struct green_worker *w = worker;

	green_die(w->running, "its OS thread has ended, by pthread_exit() or pthread_cancel(): "
		  "a green thread ends by green_exit()");
}

static int make_key(void)
{
	static bool made;
	int err = made ? 0 : pthread_key_create(&life, ended);

	made |= !err;
	return -err;
}

void green_be_worker(struct green_worker *w)
{
	green_worker = w;
	if (w)
		__atomic_store_n(&w->limit, green_limit(), __ATOMIC_RELEASE);
	pthread_setspecific(life, w);
}

void green_worker_init(struct green_worker *w, unsigned int nr)
{
	w->nr = nr;
	w->still = true;
	green_queue_init(&w->aside);
	green_queue_init(&w->runq);
	/* Which leads unwinders to where that is now, be it a copy. */
	green_set_current(w, w->current);
}

int green_workers_init(unsigned int nr)
{
	unsigned int i;
	int err = make_key();

	if (err)
		return err;
	if (nr > 1)
		err = green_freeze_init();
	if (err)
		return green_fail(err, "several workers take membarrier(2): %s",
				  strerrordesc_np(-err));
	green_rt.worker = calloc(nr, sizeof(*green_rt.worker));
	if (!green_rt.worker)
		return -ENOMEM;
	green_rt.nr_workers = nr;
	green_shared = nr > 1;
	for (i = 0; i < nr; i++)
		green_worker_init(&green_rt.worker[i], i);
	return 0;
}

void green_workers_exit(void)
{
	unsigned int i;

	for (i = 0; i < green_rt.nr_workers; i++) {
		free(green_rt.worker[i].spare_escapes);
		green_timers_free(&green_rt.worker[i].timers);
		free(green_rt.worker[i].reserve);
		green_pool_exit(&green_rt.worker[i].rares);
		green_pool_exit(&green_rt.worker[i].ios);
		green_sites_free(green_rt.worker[i].sites);
	}
	free(green_rt.worker);
	green_rt.worker = NULL;
	green_shared = 0;
}
