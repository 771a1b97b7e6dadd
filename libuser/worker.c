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
 * by way of an eventfd that it watches.
 *
 * A thread belongs to the worker that ran it last, which has its thread-local
 * variables. Another one takes it if it has nothing to do itself, and all frames
 * are of code that computes such addresses anew after each call: what greencc
 * compiled, and the runtime's.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Threads whose stacks are looked at before a rest. */
#define REST_SHRINKS	32

/* Threads that a thief looks at, and frames. */
#define MAX_LOOKS	8
#define MAX_FRAMES	64

struct green_runtime green_rt;
int green_shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void green_lock(void)
{
	if (green_shared)
		pthread_mutex_lock(&lock);
}

void green_unlock(void)
{
	if (green_shared)
		pthread_mutex_unlock(&lock);
}

/* ---- queues ------------------------------------------------------------ */

static void kick(struct green_worker *w)
{
	if (w->kicked)
		return;
	w->kicked = true;
	if (w->rest == REST_RING)
		green_uring_kick();
	else
		pthread_cond_signal(&w->cond);
}

/* For a worker that has to be told, or else any that could help. */
static void kick_for(struct green_worker *home)
{
	struct green_worker *w = NULL;
	unsigned int i;

	if (!green_rt.nr_idle)
		return;
	if (home->rest != REST_NONE) {
		kick(home);
		return;
	}
	for (i = 0; i < green_rt.nr_workers; i++) {
		struct green_worker *v = &green_rt.worker[i];

		if (v->rest == REST_NONE || v->kicked)
			continue;
		w = v;
		if (v->rest == REST_COND)
			break;
	}
	if (w)
		kick(w);
}

void green_ready(struct green *t)
{
	struct green_worker *w = t->home;

	t->state = STATE_READY;
	t->next = NULL;
	*w->runq_tail = t;
	w->runq_tail = &t->next;
	kick_for(w);
}

static struct green *unlink_at(struct green_worker *w, struct green **link)
{
	struct green *t = *link;

	*link = t->next;
	if (!*link)
		w->runq_tail = link;
	return t;
}

static bool computes_addresses(const void *ret)
{
	return green_map_flags((const char *)ret - 1) & (GREEN_MAP_BARRIERS | GREEN_MAP_VERIFIED);
}

/* May another worker run it? */
static bool is_portable(const struct green *t)
{
	const struct green_saved *s = (const void *)t->sp;
	uintptr_t fp = s->rbp;
	const void *ret = (const void *)s->pc;
	unsigned int i;

	if (ret == green_thread_entry)
		return true;
	if (ret == (const void *)green_exit)
		ret = *(const void **)(s + 1);
	for (i = 0; i < MAX_FRAMES && ret != green_thread_base; i++) {
		if (!green_is_join(ret) && !computes_addresses(ret))
			return false;
		if (fp % 8 || !green_on_stack(t, fp))
			return false;
		ret = ((const void **)fp)[1];
		fp = *(const uintptr_t *)fp;
	}
	return i < MAX_FRAMES;
}

static struct green *steal_from(struct green_worker *v)
{
	struct green **link = &v->runq_head;
	unsigned int i;

	for (i = 0; *link && i < MAX_LOOKS; i++, link = &(*link)->next)
		if (is_portable(*link))
			return unlink_at(v, link);
	return NULL;
}

struct green *green_next_thread(struct green_worker *w)
{
	unsigned int i;

	if (w->runq_head)
		return unlink_at(w, &w->runq_head);
	for (i = 1; i < green_rt.nr_workers; i++) {
		struct green *t = steal_from(&green_rt.worker[(w->nr + i) % green_rt.nr_workers]);

		if (t) {
			green_rt.stats.stolen++;
			return t;
		}
	}
	return NULL;
}

/* ---- rest --------------------------------------------------------------- */

static bool all_idle_for_good(void)
{
	unsigned int i;

	if (green_rt.nr_idle + 1 < green_rt.nr_workers || green_rt.nr_timers ||
	    green_uring_busy())
		return false;
	for (i = 0; i < green_rt.nr_workers; i++)
		if (green_rt.worker[i].runq_head)
			return false;
	return true;
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

/* Somebody has to wait in the ring if nobody does. */
static void pass_on_the_ring(void)
{
	unsigned int i;

	for (i = 0; i < green_rt.nr_workers; i++)
		if (green_rt.worker[i].rest == REST_COND && !green_rt.worker[i].kicked) {
			kick(&green_rt.worker[i]);
			return;
		}
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

void green_poll_until(uint64_t at)
{
	if (green_rt.poller && (!green_rt.poll_until || at < green_rt.poll_until))
		kick(green_rt.poller);
}

/* Nothing is to be run: wait until there may be. */
void green_rest(struct green_worker *w)
{
	if (all_idle_for_good()) {
		green_stop(-EDEADLK);
		return;
	}
	green_shrink_some(REST_SHRINKS);
	if (green_rt.poller) {
		green_uring_flush();
		rest(w, REST_COND);
		while (!w->kicked)
			pthread_cond_wait(&w->cond, &lock);
		rise(w);
		return;
	}
	green_rt.poller = w;
	green_rt.poll_until = green_timer_next();
	rest(w, REST_RING);
	green_uring_poll(true, green_rt.poll_until);
	green_rt.poller = NULL;
	rise(w);
	pass_on_the_ring();
}

/* ---- their lives -------------------------------------------------------- */

static void *work(void *arg)
{
	struct green_worker *w = arg;

	green_worker = w;
	green_signal_stack(w);
	green_lock();
	green_worker_enter(w);
	green_signal_stack_exit(w);
	green_worker = NULL;
	return NULL;
}

int green_workers_init(unsigned int nr)
{
	unsigned int i;

	green_rt.worker = calloc(nr, sizeof(*green_rt.worker));
	if (!green_rt.worker)
		return -ENOMEM;
	green_rt.nr_workers = nr;
	green_shared = nr > 1;
	for (i = 0; i < nr; i++) {
		struct green_worker *w = &green_rt.worker[i];

		w->nr = i;
		w->runq_tail = &w->runq_head;
		pthread_cond_init(&w->cond, NULL);
	}
	return 0;
}

/* The caller is the first. */
int green_workers_run(void)
{
	unsigned int i, nr;
	int err = 0;

	green_lock();
	for (nr = 1; nr < green_rt.nr_workers && !err; nr++)
		err = -pthread_create(&green_rt.worker[nr].thread, NULL, work,
				      &green_rt.worker[nr]);
	if (err) {
		nr--;
		green_stop(err);
	}
	green_worker_enter(&green_rt.worker[0]);
	for (i = 1; i < nr; i++)
		pthread_join(green_rt.worker[i].thread, NULL);
	return err;
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
