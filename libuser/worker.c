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
 *
 * A thread belongs to the worker that ran it last, which has its thread-local
 * variables. Another one takes it if it has nothing to do itself, and all frames
 * are of code that computes such addresses anew after each call: what greencc
 * compiled, and the runtime's. So a thread that becomes ready goes to its worker's
 * queue, however long that may be busy, and is taken from there: by one without work,
 * or if all have some, by one that finds that the other has not switched for long.
 * A thread that is bound, or has other code's frames, waits for its worker.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Threads whose stacks are looked at before a rest. */
#define REST_SHRINKS	32

/* Frames that a thief looks at. */
#define MAX_FRAMES	1024

/* While others run, a worker does not wait in the ring for longer. */
#define LOOK_UP_NS	1000000u

/* About 10 ms, whatever the TSC's rate, without a switch. */
#define STUCK_TSC	20000000

GREEN_PER_RUN struct green_runtime green_rt;
GREEN_PER_RUN int green_shared;
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

/* The worker that has to be told, or else any that could help. */
static void kick_for(const struct green *t)
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

static void queue_init(struct green_queue *q)
{
	q->head = NULL;
	q->tail = &q->head;
}

static void queue_put(struct green_queue *q, struct green *t)
{
	t->next = NULL;
	*q->tail = t;
	q->tail = &t->next;
}

static struct green *queue_get(struct green_queue *q)
{
	struct green *t = q->head;

	q->head = t->next;
	if (!q->head)
		q->tail = &q->head;
	return t;
}

static bool has_ready(const struct green_worker *w)
{
	return w->aside.head || w->runq.head;
}

void green_ready(struct green *t)
{
	t->state = STATE_READY;
	queue_put(&t->home->runq, t);
	kick_for(t);
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
	if (t->bound)
		return false;
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

/*
 * The first that may be taken. Those before it, which may not, are set aside, so
 * that nobody looks at them twice; they came first and are still the first.
 */
static struct green *steal_from(struct green_worker *v)
{
	while (v->runq.head) {
		struct green *t = queue_get(&v->runq);

		if (is_portable(t)) {
			green_rt.stats.stolen++;
			return t;
		}
		queue_put(&v->aside, t);
	}
	return NULL;
}

struct green *green_next_thread(struct green_worker *w)
{
	unsigned int i;

	if (w->aside.head)
		return queue_get(&w->aside);
	if (w->runq.head)
		return queue_get(&w->runq);
	for (i = 1; i < green_rt.nr_workers; i++) {
		struct green *t = steal_from(&green_rt.worker[(w->nr + i) % green_rt.nr_workers]);

		if (t)
			return t;
	}
	return NULL;
}

void green_rescue(struct green_worker *w)
{
	for (unsigned int i = 0; i < green_rt.nr_workers; i++) {
		struct green_worker *v = &green_rt.worker[i];
		struct green *t = NULL;

		if (v != w && (int64_t)(w->switched - v->switched) > STUCK_TSC)
			t = steal_from(v);
		if (t)
			queue_put(&w->runq, t);
	}
}

int rt_bind(void)
{
	green_worker->current->bound++;
	return 0;
}

int rt_unbind(void)
{
	if (!green_worker->current->bound)
		return -EINVAL;
	green_worker->current->bound--;
	return 0;
}

/* ---- rest --------------------------------------------------------------- */

static bool all_idle_for_good(void)
{
	unsigned int i;

	if (green_rt.nr_idle + 1 < green_rt.nr_workers || green_rt.nr_timers ||
	    green_uring_busy())
		return false;
	for (i = 0; i < green_rt.nr_workers; i++)
		if (has_ready(&green_rt.worker[i]))
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
	uint64_t again;

	if (all_idle_for_good()) {
		green_rt.deadlock = true;
		green_stop(-EDEADLK);
		return;
	}
	again = green_shrink_rest(REST_SHRINKS);
	if (green_rt.poller) {
		green_uring_flush();
		if (again)
			green_poll_until(again);
		rest(w, REST_COND);
		while (!w->kicked)
			pthread_cond_wait(&w->cond, &lock);
		rise(w);
		return;
	}
	green_rt.poller = w;
	green_rt.poll_until = ring_until(again);
	rest(w, REST_RING);
	green_uring_poll(true, green_rt.poll_until);
	green_rt.poller = NULL;
	rise(w);
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

static void *work(void *arg)
{
	struct green_worker *w = arg;

	green_be_worker(w);
	green_signal_stack(w);
	green_lock();
	green_worker_enter(w);
	green_fork_end();
	green_signal_stack_exit(w);
	green_be_worker(NULL);
	return NULL;
}

void green_worker_init(struct green_worker *w, unsigned int nr)
{
	w->nr = nr;
	queue_init(&w->aside);
	queue_init(&w->runq);
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
	green_fork_end();
	/* A child of fork() has no others. */
	for (i = 1; i < nr && !green_rt.forked; i++)
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
