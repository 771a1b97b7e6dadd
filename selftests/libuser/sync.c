// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Semaphores, wait groups, barriers, events, onces. Built by greencc. */
#include <errno.h>
#include <green_sync.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alone.h"
#include "workers.h"

static struct green_sem s;
static struct green_waitgroup g;
static struct green_barrier b;
static struct green_event e;
static struct green_once o;
static int flag, ran, left;

static void clear(void)
{
	s = (struct green_sem)GREEN_SEM_INIT(0);
	b = (struct green_barrier)GREEN_BARRIER_INIT(0);
	memset(&g, 0, sizeof(g));
	memset(&e, 0, sizeof(e));
	memset(&o, 0, sizeof(o));
	flag = ran = left = 0;
}

static void in_the_past(void)
{
	green_deadline(green_now_ns() - 1);
}

/* ---- semaphores ---------------------------------------------------------- */

#define THREADS 8
#define ROUNDS 1000

static int inside, most;

/* Not a look and a set: a lower number of another worker's could come between. */
static void raise_to(int *word, int to)
{
	int now = look(word);

	while (now < to && !__atomic_compare_exchange_n(word, &now, to, false, __ATOMIC_ACQ_REL,
							__ATOMIC_ACQUIRE))
		;
}

/* Three at once, and those that came first wait for the third; but no more. */
static void enters(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		green_sem_wait(&s);
		raise_to(&most, count(&inside));
		if (i % 4 == 0)
			green_yield();
		while (look(&most) < 3)
			green_yield();
		__atomic_sub_fetch(&inside, 1, __ATOMIC_ACQ_REL);
		count(&ran);
		green_sem_post(&s);
	}
}

static int three_at_once(void *arg)
{
	green_t *t[THREADS];
	int bad = 0;

	clear();
	s.count = 3;
	inside = most = 0;
	for (int i = 0; i < THREADS; i++)
		t[i] = green_go(enters, NULL);
	for (int i = 0; i < THREADS; i++)
		green_join(t[i]);
	bad += WRONG(ran == THREADS * ROUNDS) + WRONG(most == 3) + WRONG(s.count == 3);
	return bad + WRONG(green_sem_destroy(&s) == 0);
}

static void takes_one(void *arg)
{
	if (green_sem_wait(&s) == 0)
		*(int *)arg = count(&ran);
}

/* The first that came gets it, and nobody in between. */
static int sem_in_turn(void *arg)
{
	static int at[3];
	green_t *t[3];
	int bad = 0;

	clear();
	for (int i = 0; i < 3; i++)
		t[i] = go_wait(takes_one, &at[i], &s.sync);
	bad += WRONG(green_sem_destroy(&s) == -EBUSY);
	for (int i = 0; i < 3; i++) {
		green_sem_post(&s);
		bad += WRONG(green_sem_trywait(&s) == -EAGAIN);
		green_join(t[i]);
		bad += WRONG(at[i] == i + 1);
	}
	return bad;
}

static void is_cancelled(void *arg)
{
	green_sem_wait(&s);
	ran++;
}

static int sem_errors(void *arg)
{
	uint64_t at = green_now_ns() + 2 * MS;
	green_t *t;
	int bad = 0;

	clear();
	bad += WRONG(green_sem_trywait(&s) == -EAGAIN);
	green_deadline(at);
	bad += WRONG(green_sem_wait(&s) == -ETIMEDOUT);
	bad += WRONG(green_now_ns() >= at);
	bad += WRONG(green_sem_wait(&s) == -ETIMEDOUT);
	bad += WRONG(green_sem_post(&s) == 0);
	bad += WRONG(green_sem_wait(&s) == 0);
	green_deadline(0);
	t = go_wait(is_cancelled, NULL, &s.sync);
	green_cancel(t);
	bad += WRONG(green_join(t) == -ECANCELED);
	bad += WRONG(green_sem_post(&s) == 0);
	bad += WRONG(s.count == 1) + WRONG(ran == 0);
	s.count = UINT_MAX;
	bad += WRONG(green_sem_post(&s) == -EOVERFLOW);
	bad += WRONG(green_sem_destroy(&s) == 0);
	bad += WRONG(green_sem_wait(&s) == -EINVAL);
	bad += WRONG(green_sem_trywait(&s) == -EINVAL);
	bad += WRONG(green_sem_post(&s) == -EINVAL);
	return bad + WRONG(green_sem_destroy(&s) == -EINVAL);
}

static void runs(void *arg)
{
	set(&flag, 1);
}

static long runs_too(void *arg)
{
	set(&flag, 1);
	return 0;
}

/* A deadline that has passed ends a wait before anybody else runs. */
static int at_once(void *arg)
{
	GREEN_SCOPE;
	struct green_group group;
	int bad = 0;
	green_t *t;

	clear();
	green_group_begin(&group);
	green_group_go(&group, runs_too, NULL, NULL);
	t = green_go(runs, NULL);
	in_the_past();
	bad += WRONG(green_sem_wait(&s) == -ETIMEDOUT);
	bad += WRONG(green_group_wait(&group) == -ETIMEDOUT);
	bad += WRONG(flag == 0);
	green_deadline(0);
	green_join(t);
	return bad + WRONG(flag == 1);
}

/* ---- wait groups --------------------------------------------------------- */

static void does_some(void *arg)
{
	for (long i = 0; i < (long)arg; i++)
		green_yield();
	count(&ran);
	green_waitgroup_done(&g);
}

static void waits_for_g(void *arg)
{
	if (green_waitgroup_wait(&g) == 0 && look(&ran) == THREADS)
		count(&flag);
}

static int all_done(void *arg)
{
	green_t *t[3];
	int bad = 0;

	clear();
	bad += WRONG(green_waitgroup_wait(&g) == 0);
	bad += WRONG(green_waitgroup_add(&g, THREADS) == 0);
	for (int i = 0; i < 3; i++)
		t[i] = go_wait(waits_for_g, NULL, &g.sync);
	for (long i = 0; i < THREADS; i++)
		green_detach(green_go(does_some, (void *)(10 * i)));
	for (int i = 0; i < 3; i++)
		green_join(t[i]);
	return bad + WRONG(flag == 3);
}

static int waitgroup_errors(void *arg)
{
	green_t *t;
	int bad = 0;

	clear();
	bad += WRONG(green_waitgroup_done(&g) == -EINVAL);
	bad += WRONG(green_waitgroup_add(&g, INT_MAX) == 0);
	bad += WRONG(green_waitgroup_add(&g, 1) == -EOVERFLOW);
	bad += WRONG(green_waitgroup_add(&g, 1 - INT_MAX) == 0);
	bad += WRONG(green_waitgroup_add(&g, -2) == -EINVAL);
	bad += WRONG(green_waitgroup_destroy(&g) == -EBUSY);
	t = go_wait(waits_for_g, NULL, &g.sync);
	green_cancel(t);
	bad += WRONG(green_join(t) == -ECANCELED);
	in_the_past();
	bad += WRONG(green_waitgroup_wait(&g) == -ETIMEDOUT);
	bad += WRONG(green_waitgroup_done(&g) == 0);
	bad += WRONG(green_waitgroup_wait(&g) == 0);
	bad += WRONG(green_waitgroup_destroy(&g) == 0);
	bad += WRONG(green_waitgroup_add(&g, 1) == -EINVAL);
	bad += WRONG(green_waitgroup_done(&g) == -EINVAL);
	bad += WRONG(green_waitgroup_wait(&g) == -EINVAL);
	return bad + WRONG(green_waitgroup_destroy(&g) == -EINVAL);
}

/* ---- barriers ------------------------------------------------------------ */

static int arrived[ROUNDS];

/* Nobody begins a round before all have ended the one before. */
static void goes_round(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		count(&arrived[i]);
		if (green_barrier_wait(&b) == 1)
			count(&ran);
		if (look(&arrived[i]) != THREADS)
			count(&flag);
	}
}

static int rounds(void *arg)
{
	green_t *t[THREADS];
	int bad = 0;

	clear();
	memset(arrived, 0, sizeof(arrived));
	b.count = THREADS;
	for (int i = 0; i < THREADS; i++)
		t[i] = green_go(goes_round, NULL);
	for (int i = 0; i < THREADS; i++)
		green_join(t[i]);
	bad += WRONG(ran == ROUNDS) + WRONG(flag == 0);
	return bad + WRONG(green_barrier_destroy(&b) == 0);
}

static void comes(void *arg)
{
	if (green_barrier_wait(&b) == 0)
		count(&ran);
}

static int barrier_errors(void *arg)
{
	green_t *t, *u;
	int bad = 0;

	clear();
	bad += WRONG(green_barrier_wait(&b) == -EINVAL);
	b.count = 3;
	t = go_wait(comes, NULL, &b.sync);
	bad += WRONG(green_barrier_destroy(&b) == -EBUSY);
	u = go_wait(comes, NULL, &b.sync);
	green_cancel(t);
	bad += WRONG(green_join(t) == -ECANCELED);
	/* One has left: the third is the second. */
	green_deadline(green_now_ns() + 2 * MS);
	bad += WRONG(green_barrier_wait(&b) == -ETIMEDOUT);
	bad += WRONG(green_barrier_wait(&b) == -ETIMEDOUT);
	green_deadline(0);
	t = go_wait(comes, NULL, &b.sync);
	bad += WRONG(ran == 0);
	bad += WRONG(green_barrier_wait(&b) == 1);
	bad += WRONG(green_join(t) == 0) + WRONG(green_join(u) == 0);
	bad += WRONG(ran == 2);
	bad += WRONG(green_barrier_destroy(&b) == 0);
	bad += WRONG(green_barrier_wait(&b) == -EINVAL);
	return bad + WRONG(green_barrier_destroy(&b) == -EINVAL);
}

/* ---- events -------------------------------------------------------------- */

static void waits_for_e(void *arg)
{
	if (green_event_wait(&e) == 0)
		count(&ran);
}

static int happens(void *arg)
{
	green_t *t[3];
	int bad = 0;

	clear();
	for (int i = 0; i < 3; i++)
		t[i] = go_wait(waits_for_e, NULL, &e.sync);
	bad += WRONG(green_event_destroy(&e) == -EBUSY);
	green_cancel(t[1]);
	bad += WRONG(green_join(t[1]) == -ECANCELED);
	bad += WRONG(green_event_set(&e) == 0);
	green_join(t[0]);
	green_join(t[2]);
	bad += WRONG(ran == 2);
	in_the_past();
	bad += WRONG(green_event_wait(&e) == 0);
	bad += WRONG(green_event_clear(&e) == 0);
	bad += WRONG(green_event_wait(&e) == -ETIMEDOUT);
	bad += WRONG(green_event_destroy(&e) == 0);
	bad += WRONG(green_event_set(&e) == -EINVAL);
	bad += WRONG(green_event_clear(&e) == -EINVAL);
	bad += WRONG(green_event_wait(&e) == -EINVAL);
	return bad + WRONG(green_event_destroy(&e) == -EINVAL);
}

/* ---- once ---------------------------------------------------------------- */

static void init(void *arg)
{
	for (int i = 0; i < 20; i++)
		green_yield();
	count(&ran);
}

static void wants_it(void *arg)
{
	if (green_once(&o, init, NULL) || look(&ran) != 1)
		count(&flag);
}

static int done_once(void *arg)
{
	green_t *t[THREADS];
	int bad = 0;

	clear();
	for (int i = 0; i < THREADS; i++)
		t[i] = green_go(wants_it, NULL);
	for (int i = 0; i < THREADS; i++)
		green_join(t[i]);
	bad += WRONG(ran == 1) + WRONG(flag == 0);
	in_the_past();
	return bad + WRONG(green_once(&o, init, NULL) == 0);
}

static void never_returns(void *arg)
{
	set(&flag, 1);
	if (arg)
		green_panic("no");
	green_sem_wait(&s);
	set(&ran, 100);
}

static void tries(void *arg)
{
	green_once(&o, never_returns, arg);
}

static void ends_in_it(void *arg)
{
	if (arg)
		green_try(tries, arg);
	else
		tries(arg);
}

static void does_it(void *arg)
{
	count(&ran);
}

static void does_it_next(void *arg)
{
	left = green_once(&o, does_it, NULL);
}

/* Whoever waited does it, when the first one was cancelled in it, or panicked. */
static int begun_again(void *arg)
{
	green_t *t, *u;
	int bad = 0;

	clear();
	t = go_wait(ends_in_it, NULL, &s.sync);
	u = go_wait(does_it_next, NULL, &o.sync);
	in_the_past();
	bad += WRONG(green_once(&o, does_it, NULL) == -ETIMEDOUT);
	green_deadline(0);
	green_cancel(t);
	bad += WRONG(green_join(t) == -ECANCELED);
	bad += WRONG(green_join(u) == 0);
	bad += WRONG(ran == 1) + WRONG(left == 0);
	clear();
	green_join(green_go(ends_in_it, &flag));
	bad += WRONG(green_once(&o, does_it, NULL) == 0) + WRONG(ran == 1);
	return bad;
}

static void inner(void *arg)
{
	ran += green_once(&o, inner, NULL) == -EDEADLK;
}

static int within_itself(void *arg)
{
	int bad = 0;

	clear();
	bad += WRONG(green_once(&o, inner, NULL) == 0) + WRONG(ran == 1);
	return bad + WRONG(green_once_done(&o) == -EPERM);
}

/* ---- other runs, and children -------------------------------------------- */

static int leaves_waiters(void *arg)
{
	clear();
	b.count = 2;
	go_wait(is_cancelled, NULL, &s.sync);
	go_wait(comes, NULL, &b.sync);
	go_wait(waits_for_e, NULL, &e.sync);
	return 0;
}

/* They are gone: nobody takes what is posted, or has come. */
static int finds_none(void *arg)
{
	int bad = 0;

	bad += WRONG(green_sem_post(&s) == 0);
	bad += WRONG(green_sem_trywait(&s) == 0);
	in_the_past();
	bad += WRONG(green_barrier_wait(&b) == -ETIMEDOUT);
	bad += WRONG(green_event_set(&e) == 0);
	bad += WRONG(green_sem_destroy(&s) == 0);
	bad += WRONG(green_barrier_destroy(&b) == 0);
	return bad + WRONG(green_event_destroy(&e) == 0);
}

static int forks(void *arg)
{
	int status = 0, bad = 0;
	pid_t pid;

	leaves_waiters(NULL);
	pid = fork();
	if (!pid)
		_exit(finds_none(NULL));
	waitpid(pid, &status, 0);
	bad += WRONG(status == 0);
	/* Those of the parent wait still. */
	bad += WRONG(green_sem_destroy(&s) == -EBUSY);
	bad += WRONG(green_barrier_wait(&b) == 1);
	return bad;
}

WITH_WORKERS(syncs);
GREEN_TEST(syncs, sem_lets_three_in, three_at_once);
GREEN_TEST(syncs, sem_in_turn, sem_in_turn);
GREEN_TEST(syncs, sem_errors, sem_errors);
GREEN_TEST(syncs, waitgroup, all_done);
GREEN_TEST(syncs, waitgroup_errors, waitgroup_errors);
GREEN_TEST(syncs, barrier, rounds);
GREEN_TEST(syncs, barrier_errors, barrier_errors);
GREEN_TEST(syncs, event, happens);
GREEN_TEST(syncs, once, done_once);
GREEN_TEST(syncs, once_begun_again, begun_again);
GREEN_TEST(syncs, once_within_itself, within_itself);
GREEN_TEST(syncs, after_fork, forks);

TEST(deadline_that_has_passed)
{
	EXPECT_EQ(0, green_run(&alone, at_once, NULL));
}

TEST_F(syncs, of_an_earlier_run)
{
	EXPECT_EQ(0, green_run(&self->opt, leaves_waiters, NULL));
	EXPECT_EQ(0, green_run(&self->opt, finds_none, NULL));
}

TEST_F(syncs, outside)
{
	clear();
	EXPECT_EQ(-EPERM, green_sem_wait(&s));
	EXPECT_EQ(-EPERM, green_sem_post(&s));
	EXPECT_EQ(-EPERM, green_waitgroup_add(&g, 1));
	EXPECT_EQ(-EPERM, green_waitgroup_wait(&g));
	EXPECT_EQ(-EPERM, green_barrier_wait(&b));
	EXPECT_EQ(-EPERM, green_event_set(&e));
	EXPECT_EQ(-EPERM, green_event_wait(&e));
	EXPECT_EQ(-EPERM, green_once(&o, does_it, NULL));
}

TEST_HARNESS_MAIN
