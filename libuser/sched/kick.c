/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Ends of rest: worker.c says who is told when. */
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/kick.h"
#include "sched/poller.h"

static void kick(struct green_worker *w)
{
	if (w->kicked)
		return;
	w->kicked = true;
	if (w->rest == REST_RING)
		green_rt.poller->kick();
	else
		pthread_cond_signal(&w->cond);
}

void green_kick_for(const struct green *t)
{
	struct green_worker *home = t->home, *w = NULL;
	unsigned int i;

	if (!green_rt.nr_idle)
		return;
	if (home->rest != REST_NONE) {
		/* The caller itself is about to rise, if it is that. */
		if (home != green_worker)
			kick(home);
		return;
	}
	if (t->bound)
		return;
	for (i = 0; i < green_rt.nr_workers; i++) {
		struct green_worker *v = &green_rt.worker[i];

		if (v->rest == REST_NONE || v->kicked || v == green_worker)
			continue;
		w = v;
		if (v->rest == REST_COND)
			break;
	}
	if (w)
		kick(w);
}

void green_stop(int ret)
{
	unsigned int i;

	green_rt.main_ret = ret;
	green_rt.main_done = true;
	for (i = 0; i < green_rt.nr_workers; i++)
		if (green_rt.worker[i].rest != REST_NONE)
			kick(&green_rt.worker[i]);
}

/*
 * The caller has found a thread, others are at rest, and nobody in the ring: one of
 * them has to be there, unless one rises already, which comes here too if it finds a
 * thread.
 */
void green_pass_on_the_ring(void)
{
	struct green_worker *w = NULL;
	unsigned int i;

	for (i = 0; i < green_rt.nr_workers; i++) {
		struct green_worker *v = &green_rt.worker[i];

		if (v->rest == REST_NONE)
			continue;
		if (v->kicked)
			return;
		w = v;
	}
	if (w)
		kick(w);
}

void green_poll_until(uint64_t at)
{
	if (green_rt.in_ring && (!green_rt.poll_until || at < green_rt.poll_until))
		kick(green_rt.in_ring);
}
