/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Workers: OS threads that run green threads. One lock guards all they share;
 * a worker gives it up while it runs a thread, and while it rests.
 *
 * At rest a worker waits in the ring, for I/O and the next timer, or if another
 * one does that already, on its condition. Nobody misses a thread that became
 * ready: it went into a queue under the lock, which a resting worker held when
 * it last looked; whoever put it there kicks one that may run it. Whoever sets a
 * timer kicks the one in the ring, if that waits for a later one. The ring is left
 * by way of an eventfd that it watches. While others run it is left every millisecond:
 * one that computes for long does not submit what its threads have asked for.
 */
#include "base/fail.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "maps/maps.h"
#include "sched/kick.h"
#include "sched/poller.h"
#include "sched/queue.h"
#include "sched/timer.h"
#include "sched/wait.h"
#include "sched/worker.h"
#include "stack/shrink.h"

#include <errno.h>
#include <stdlib.h>

/* Threads whose stacks are looked at before a rest. */
#define REST_SHRINKS	32

/* While others run, a worker does not wait in the ring for longer. */
#define LOOK_UP_NS	1000000u

static bool has_ready(const struct green_worker *w)
{
	return w->aside.head || w->runq.head;
}

static bool all_idle_for_good(void)
{
	unsigned int i;

	if (green_rt.nr_idle + 1 < green_rt.nr_workers || green_rt.nr_timers ||
	    green_rt.poller->busy())
		return false;
	for (i = 0; i < green_rt.nr_workers; i++)
		if (has_ready(&green_rt.worker[i]))
			return false;
	return true;
}

static void rest(struct green_worker *w, enum green_rest where)
{
	w->rest = where;
	w->kicked = false;
	green_rt.nr_idle++;
}

static void rise(struct green_worker *w)
{
	w->rest = REST_NONE;
	green_rt.nr_idle--;
}

/* Of two times of which 0 is never. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a && (!b || a < b) ? a : b;
}

static uint64_t ring_until(uint64_t again)
{
	uint64_t until = earlier(green_timer_next(), again);

	if (green_rt.nr_idle + 1 == green_rt.nr_workers)
		return until;
	return earlier(until, green_now_ns() + LOOK_UP_NS);
}

/* Nothing is to be run: wait until there may be. */
void green_rest(struct green_worker *w)
{
	struct green *done;
	uint64_t again;

	if (all_idle_for_good()) {
		green_rt.deadlock = true;
		green_stop(-EDEADLK);
		return;
	}
	again = green_shrink_rest(REST_SHRINKS);
	if (green_rt.in_ring) {
		green_rt.poller->flush();
		if (again)
			green_poll_until(again);
		rest(w, REST_COND);
		while (!w->kicked)
			green_lock_wait(&w->cond);
		rise(w);
		return;
	}
	green_rt.in_ring = w;
	green_rt.poll_until = ring_until(again);
	rest(w, REST_RING);
	done = green_rt.poller->poll(true, green_rt.poll_until);
	green_rt.in_ring = NULL;
	rise(w);
	green_ready_all(done);
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
	pthread_setspecific(life, w);
}

void green_worker_init(struct green_worker *w, unsigned int nr)
{
	w->nr = nr;
	green_queue_init(&w->aside);
	green_queue_init(&w->runq);
	/* Which leads unwinders to where that is now, be it a copy. */
	green_set_current(w, w->current);
	pthread_cond_init(&w->cond, NULL);
}

int green_workers_init(unsigned int nr)
{
	unsigned int i;
	int err = make_key();

	if (err)
		return err;
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
		pthread_cond_destroy(&green_rt.worker[i].cond);
		free(green_rt.worker[i].spare_escapes);
	}
	green_sites_free();
	free(green_rt.worker);
	green_rt.worker = NULL;
	green_shared = 0;
}
