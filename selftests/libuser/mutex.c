// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Mutexes, conditions, rwlocks. Built by greencc. */
#include <errno.h>
#include <green_sync.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "workers.h"

static struct green_mutex m;
static struct green_cond c;
static struct green_rwlock l;
static int sum, order[8], nr, flag, ran;

static void clear(void)
{
	memset(&m, 0, sizeof(m));
	memset(&c, 0, sizeof(c));
	memset(&l, 0, sizeof(l));
	memset(order, 0, sizeof(order));
	sum = nr = flag = ran = 0;
}

/* ---- mutexes ------------------------------------------------------------- */

#define THREADS 16
#define ROUNDS 500

static void adds(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int old;

		if (green_mutex_lock(&m))
			return;
		old = sum;
		if (i % 4 == 0)
			green_yield();
		sum = old + 1;
		green_mutex_unlock(&m);
	}
}

static int one_at_a_time(void *arg)
{
	green_t *t[THREADS];
	int bad = 0;

	clear();
	for (int i = 0; i < THREADS; i++)
		t[i] = green_go(adds, NULL);
	for (int i = 0; i < THREADS; i++)
		bad += green_join(t[i]) != 0;
	bad += WRONG(sum == THREADS * ROUNDS);
	return bad + WRONG(green_mutex_destroy(&m) == 0);
}

static void others_errors(void *arg)
{
	int *bad = arg;

	*bad += WRONG(green_mutex_unlock(&m) == -EPERM);
	*bad += WRONG(green_mutex_trylock(&m) == -EBUSY);
	*bad += WRONG(green_mutex_destroy(&m) == -EBUSY);
}

static int errors(void *arg)
{
	static int bad;

	bad = 0;
	clear();
	bad += WRONG(green_mutex_unlock(&m) == -EPERM);
	bad += WRONG(green_mutex_trylock(&m) == 0);
	bad += WRONG(green_mutex_lock(&m) == -EDEADLK);
	bad += WRONG(green_mutex_trylock(&m) == -EDEADLK);
	bad += WRONG(green_mutex_destroy(&m) == -EBUSY);
	green_join(green_go(others_errors, &bad));
	bad += WRONG(green_mutex_unlock(&m) == 0);
	bad += WRONG(green_mutex_unlock(&m) == -EPERM);
	bad += WRONG(green_mutex_destroy(&m) == 0);
	bad += WRONG(green_mutex_lock(&m) == -EINVAL);
	bad += WRONG(green_mutex_trylock(&m) == -EINVAL);
	bad += WRONG(green_mutex_unlock(&m) == -EINVAL);
	bad += WRONG(green_mutex_destroy(&m) == -EINVAL);
	memset(&m, 0, sizeof(m));
	bad += WRONG(green_mutex_lock(&m) == 0);
	return bad + WRONG(green_mutex_unlock(&m) == 0);
}

static void in_turn(void *arg)
{
	green_mutex_lock(&m);
	order[nr++] = (int)(long)arg;
	green_mutex_unlock(&m);
}

/* Who unlocks it does not get it before those that wait. */
static int turns(void *arg)
{
	green_t *t[3];
	int bad = 0;

	clear();
	green_mutex_lock(&m);
	for (long i = 0; i < 3; i++)
		t[i] = go_wait(in_turn, (void *)(i + 1), &m.sync);
	green_mutex_unlock(&m);
	bad += WRONG(green_mutex_trylock(&m) == -EBUSY || nr == 3);
	in_turn((void *)4);
	for (int i = 0; i < 3; i++)
		green_join(t[i]);
	for (int i = 0; i < 4; i++)
		bad += WRONG(order[i] == i + 1);
	return bad;
}

static void too_late(void *arg)
{
	uint64_t at = green_now_ns() + 5 * MS;
	int *bad = arg;

	green_deadline(at);
	*bad += WRONG(green_mutex_lock(&m) == -ETIMEDOUT);
	*bad += WRONG(green_now_ns() >= at);
	*bad += WRONG(green_mutex_lock(&m) == -ETIMEDOUT);
	*bad += WRONG(green_mutex_unlock(&m) == -EPERM);
}

static void in_time(void *arg)
{
	int *bad = arg;

	green_deadline(green_now_ns() - 1);
	*bad += WRONG(green_mutex_lock(&m) == 0);
	*bad += WRONG(green_mutex_unlock(&m) == 0);
}

static int deadlines(void *arg)
{
	static int bad;
	green_t *t;

	bad = 0;
	clear();
	green_mutex_lock(&m);
	t = green_go(too_late, &bad);
	bad += WRONG(green_join(t) == 0);
	bad += WRONG(!m.sync.waiters[0]);
	green_mutex_unlock(&m);
	bad += WRONG(green_join(green_go(in_time, &bad)) == 0);
	return bad;
}

static void runs(void)
{
	ran++;
}

static void waits_to_be_cancelled(void *arg)
{
	GREEN_SCOPE;

	green_defer(runs);
	green_mutex_lock(&m);
	ran += 100;
}

static int cancelled(void *arg)
{
	green_t *t, *u;
	int bad = 0;

	clear();
	green_mutex_lock(&m);
	t = go_wait(waits_to_be_cancelled, NULL, &m.sync);
	u = go_wait(in_turn, (void *)1, &m.sync);
	bad += WRONG(green_cancel(t) == 0);
	bad += WRONG(green_join(t) == -ECANCELED);
	bad += WRONG(ran == 1);
	green_mutex_unlock(&m);
	bad += WRONG(green_join(u) == 0);
	bad += WRONG(nr == 1);
	return bad + WRONG(green_mutex_destroy(&m) == 0);
}

static void exits(void *arg)
{
	GREEN_SCOPE;

	green_mutex_lock(&m);
	green_defer(green_mutex_unlock, &m);
	green_exit();
}

static int deferred_unlock(void *arg)
{
	int bad = 0;

	clear();
	bad += WRONG(green_join(green_go(exits, NULL)) == 0);
	bad += WRONG(green_mutex_lock(&m) == 0);
	return bad + WRONG(green_mutex_unlock(&m) == 0);
}

static void keeps(void *arg)
{
	green_mutex_lock(&m);
	green_rwlock_wrlock(&l);
}

static int owner_gone(void *arg)
{
	int bad = 0;

	clear();
	green_join(green_go(keeps, NULL));
	bad += WRONG(green_mutex_lock(&m) == -ENOTRECOVERABLE);
	bad += WRONG(green_mutex_trylock(&m) == -ENOTRECOVERABLE);
	bad += WRONG(green_rwlock_rdlock(&l) == -ENOTRECOVERABLE);
	bad += WRONG(green_rwlock_wrlock(&l) == -ENOTRECOVERABLE);
	return bad;
}

/* Left by green_run(): one that holds it, one that waits. */
static int abandons(void *arg)
{
	clear();
	green_mutex_lock(&m);
	go_wait(in_turn, NULL, &m.sync);
	return 0;
}

static int finds_abandoned(void *arg)
{
	int bad = 0;

	bad += WRONG(green_mutex_lock(&m) == -ENOTRECOVERABLE);
	m.owner = 0;
	bad += WRONG(green_mutex_lock(&m) == 0);
	return bad + WRONG(green_mutex_unlock(&m) == 0 && m.owner == 0);
}

/* ---- what a debug build says ---------------------------------------------- */

/* There is in libgreen, if that is a debug build. */
extern void green_holds(void) __attribute__((weak));

static int ends_with_two(void *arg)
{
	clear();
	green_join(green_go(keeps, NULL));
	return 0;
}

static void is_left_with_one(void *arg)
{
	green_mutex_lock(&m);
	green_rwlock_rdlock(&l);
	green_rwlock_unlock(&l);
	green_event_wait(arg);
}

static int leaves_one(void *arg)
{
	static struct green_event e;

	clear();
	go_wait(is_left_with_one, &e, &e.sync);
	return 0;
}

/* What it says on stderr. */
static const char *said(const struct green_options *opt, int (*fn)(void *))
{
	static char text[512];
	int old = dup(2), to[2];
	ssize_t n;

	if (pipe(to))
		return "no pipe";
	dup2(to[1], 2);
	close(to[1]);
	green_run(opt, fn, NULL);
	dup2(old, 2);
	close(old);
	n = read(to[0], text, sizeof(text) - 1);
	close(to[0]);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* ---- conditions ---------------------------------------------------------- */

#define ITEMS 2000

static void produces(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		green_mutex_lock(&m);
		flag++;
		green_cond_signal(&c);
		green_mutex_unlock(&m);
		if (i % 16 == 0)
			green_yield();
	}
}

static void consumes(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		green_mutex_lock(&m);
		while (!flag)
			if (green_cond_wait(&c, &m))
				return;
		flag--;
		sum++;
		green_mutex_unlock(&m);
	}
}

static int passed_on(void *arg)
{
	green_t *t[8];

	clear();
	for (int i = 0; i < 8; i++)
		t[i] = green_go(i % 2 ? consumes : produces, NULL);
	for (int i = 0; i < 8; i++)
		green_join(t[i]);
	return WRONG(sum == 4 * ITEMS) + WRONG(flag == 0);
}

static void waits_in_c(void *arg)
{
	green_mutex_lock(&m);
	if (green_cond_wait(&c, &m) == 0)
		order[nr++] = (int)(long)arg;
	green_mutex_unlock(&m);
}

/* One each time, the longest first; then all that are left, and nobody later. */
static int signals(void *arg)
{
	green_t *t[5];
	int bad = 0;

	clear();
	bad += WRONG(green_cond_signal(&c) == 0);
	for (long i = 0; i < 5; i++)
		t[i] = go_wait(waits_in_c, (void *)i, &c.sync);
	for (int i = 0; i < 2; i++) {
		green_cond_signal(&c);
		green_join(t[i]);
		bad += WRONG(nr == i + 1) + WRONG(order[i] == i);
	}
	green_mutex_lock(&m);
	green_cond_broadcast(&c);
	for (int i = 0; i < 10; i++)
		green_yield();
	bad += WRONG(nr == 2);
	green_mutex_unlock(&m);
	for (int i = 2; i < 5; i++)
		green_join(t[i]);
	bad += WRONG(nr == 5);
	for (int i = 0; i < 5; i++)
		bad += WRONG(order[i] == i);
	return bad + WRONG(green_cond_destroy(&c) == 0);
}

static int cond_errors(void *arg)
{
	struct green_mutex other = { 0 };
	green_t *t;
	int bad = 0;

	clear();
	bad += WRONG(green_cond_wait(&c, &m) == -EPERM);
	t = go_wait(waits_in_c, NULL, &c.sync);
	bad += WRONG(green_cond_destroy(&c) == -EBUSY);
	green_mutex_lock(&other);
	bad += WRONG(green_cond_wait(&c, &other) == -EINVAL);
	bad += WRONG(green_mutex_unlock(&other) == 0);
	green_cond_signal(&c);
	green_join(t);
	bad += WRONG(nr == 1);
	bad += WRONG(green_cond_destroy(&c) == 0);
	bad += WRONG(green_cond_destroy(&c) == -EINVAL);
	bad += WRONG(green_cond_signal(&c) == -EINVAL);
	bad += WRONG(green_cond_broadcast(&c) == -EINVAL);
	green_mutex_lock(&m);
	bad += WRONG(green_cond_wait(&c, &m) == -EINVAL);
	return bad + WRONG(green_mutex_unlock(&m) == 0);
}

static uint64_t delay;

static void times_out(void *arg)
{
	int *bad = arg;

	green_mutex_lock(&m);
	set(&ran, 1);
	green_deadline(green_now_ns() + delay);
	*bad += WRONG(green_cond_wait(&c, &m) == -ETIMEDOUT);
	/* The other was not there in time, and is to say so. */
	set(&ran, look(&flag) == 1 ? 2 : 3);
	*bad += WRONG(green_cond_wait(&c, &m) == -ETIMEDOUT);
	*bad += WRONG(green_mutex_unlock(&m) == 0);
}

/* Its deadline comes while another has the mutex: it waits for that all the same. */
static int cond_deadline(void *arg)
{
	static int bad;
	green_t *t;

	bad = 0;
	delay = MS;
	do {
		clear();
		delay *= 2;
		t = green_go(times_out, &bad);
		while (!look(&ran))
			green_yield();
		green_mutex_lock(&m);
		while (look(&ran) == 1 && !__atomic_load_n(&m.sync.waiters[0], __ATOMIC_ACQUIRE))
			green_yield();
		if (look(&ran) == 1)
			bad += WRONG(!c.sync.waiters[0]);
		set(&flag, 1);
		green_mutex_unlock(&m);
		bad += WRONG(green_join(t) == 0);
	} while (ran == 3);
	/* ... and where it is free. */
	bad += WRONG(green_join(green_go(times_out, &bad)) == 0);
	return bad + WRONG(ran == 2);
}

static int unlocked;

static void unlocks(struct green_mutex *mutex)
{
	unlocked = look(&flag) == 1 && green_mutex_unlock(mutex) == 0;
}

static void ends_in_c(void *arg)
{
	GREEN_SCOPE;

	green_mutex_lock(&m);
	green_defer(unlocks, &m);
	green_cond_wait(&c, &m);
	ran++;
	green_yield();
	ran += 100;
}

/* Its deferred unlock is right, whoever had the mutex when it was cancelled. */
static int cancelled_in_cond(void *arg)
{
	green_t *t;
	int bad = 0;

	for (int held = 0; held < 2; held++) {
		clear();
		unlocked = 0;
		t = go_wait(ends_in_c, NULL, &c.sync);
		if (held)
			green_mutex_lock(&m);
		set(&flag, !held);
		bad += WRONG(green_cancel(t) == 0);
		for (int i = 0; i < 10; i++)
			green_yield();
		if (held) {
			bad += WRONG(!unlocked);
			set(&flag, 1);
			green_mutex_unlock(&m);
		}
		bad += WRONG(green_join(t) == -ECANCELED);
		bad += WRONG(unlocked == 1) + WRONG(ran == 0);
		bad += WRONG(green_mutex_destroy(&m) == 0);
	}
	return bad;
}

/* What was signalled is not lost: it returns, and ends where it waits next. */
static int cancelled_too_late(void *arg)
{
	green_t *t;
	int bad = 0;

	clear();
	t = go_wait(ends_in_c, NULL, &c.sync);
	green_mutex_lock(&m);
	green_cond_signal(&c);
	bad += WRONG(m.sync.waiters[0] != NULL);
	green_cancel(t);
	set(&flag, 1);
	green_mutex_unlock(&m);
	bad += WRONG(green_join(t) == -ECANCELED);
	bad += WRONG(unlocked == 1);
	return bad + WRONG(ran == 1);
}

/* ---- rwlocks ------------------------------------------------------------- */

static int left, right;

static void reads(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		green_rwlock_rdlock(&l);
		if (i % 4 == 0)
			green_yield();
		if (left != right)
			count(&flag);
		green_rwlock_unlock(&l);
	}
}

static void writes(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		green_rwlock_wrlock(&l);
		left++;
		if (i % 4 == 0)
			green_yield();
		right++;
		green_rwlock_unlock(&l);
	}
}

static int readers_and_writers(void *arg)
{
	green_t *t[12];
	int bad = 0;

	clear();
	left = right = 0;
	for (int i = 0; i < 12; i++)
		t[i] = green_go(i % 3 ? reads : writes, NULL);
	for (int i = 0; i < 12; i++)
		green_join(t[i]);
	bad += WRONG(left == 4 * ROUNDS) + WRONG(right == 4 * ROUNDS) + WRONG(flag == 0);
	return bad + WRONG(green_rwlock_destroy(&l) == 0);
}

static void reads_once(void *arg)
{
	green_rwlock_rdlock(&l);
	order[count(&nr) - 1] = 1;
	while (look(&flag) != 1)
		green_yield();
	green_rwlock_unlock(&l);
}

static void writes_once(void *arg)
{
	if (green_rwlock_wrlock(&l))
		return;
	order[count(&nr) - 1] = 2;
	green_rwlock_unlock(&l);
}

/* A writer that waits is not overtaken; readers share it. */
static int writer_waits(void *arg)
{
	green_t *w, *r[2];
	int bad = 0;

	clear();
	bad += WRONG(green_rwlock_rdlock(&l) == 0);
	bad += WRONG(green_rwlock_tryrdlock(&l) == 0);
	green_rwlock_unlock(&l);
	w = go_wait(writes_once, NULL, &l.sync);
	bad += WRONG(green_rwlock_tryrdlock(&l) == -EBUSY);
	for (int i = 0; i < 2; i++)
		r[i] = go_wait(reads_once, NULL, &l.sync);
	bad += WRONG(nr == 0);
	green_rwlock_unlock(&l);
	await(&nr, 3);
	bad += WRONG(order[0] == 2);
	set(&flag, 1);
	green_join(w);
	green_join(r[0]);
	green_join(r[1]);
	return bad;
}

static void writes_until(void *arg)
{
	green_deadline(green_now_ns() + 5 * MS);
	set(&ran, green_rwlock_wrlock(&l) == -ETIMEDOUT);
}

/* A writer that gives up lets those in that waited behind it. */
static int writer_gives_up(void *arg)
{
	green_t *w, *r;
	int bad = 0;

	for (int cancels = 0; cancels < 2; cancels++) {
		clear();
		green_rwlock_rdlock(&l);
		if (cancels) {
			w = go_wait(writes_once, NULL, &l.sync);
		} else {
			w = green_go(writes_until, NULL);
			while (!look(&ran) && !__atomic_load_n(&l.sync.waiters[0], __ATOMIC_ACQUIRE))
				green_yield();
		}
		r = green_go(reads_once, NULL);
		if (cancels)
			green_cancel(w);
		await(&nr, 1);
		bad += WRONG(green_join(w) == (cancels ? -ECANCELED : 0));
		bad += WRONG(cancels || ran == 1);
		set(&flag, 1);
		green_join(r);
		bad += WRONG(green_rwlock_unlock(&l) == 0);
		bad += WRONG(green_rwlock_destroy(&l) == 0);
	}
	return bad;
}

static void rwlock_others_errors(void *arg)
{
	int *bad = arg;

	*bad += WRONG(green_rwlock_unlock(&l) == -EPERM);
	*bad += WRONG(green_rwlock_trywrlock(&l) == -EBUSY);
	green_deadline(green_now_ns() - 1);
	*bad += WRONG(green_rwlock_wrlock(&l) == -ETIMEDOUT);
}

static int rwlock_errors(void *arg)
{
	static int bad;

	bad = 0;
	clear();
	bad += WRONG(green_rwlock_unlock(&l) == -EPERM);
	bad += WRONG(green_rwlock_wrlock(&l) == 0);
	bad += WRONG(green_rwlock_wrlock(&l) == -EDEADLK);
	bad += WRONG(green_rwlock_rdlock(&l) == -EDEADLK);
	bad += WRONG(green_rwlock_destroy(&l) == -EBUSY);
	green_join(green_go(rwlock_others_errors, &bad));
	bad += WRONG(green_rwlock_unlock(&l) == 0);
	bad += WRONG(green_rwlock_rdlock(&l) == 0);
	bad += WRONG(green_rwlock_destroy(&l) == -EBUSY);
	green_join(green_go(rwlock_others_errors, &bad));
	bad += WRONG(green_rwlock_unlock(&l) == 0);
	bad += WRONG(green_rwlock_trywrlock(&l) == 0);
	bad += WRONG(green_rwlock_unlock(&l) == 0);
	bad += WRONG(green_rwlock_destroy(&l) == 0);
	bad += WRONG(green_rwlock_rdlock(&l) == -EINVAL);
	bad += WRONG(green_rwlock_wrlock(&l) == -EINVAL);
	bad += WRONG(green_rwlock_tryrdlock(&l) == -EINVAL);
	bad += WRONG(green_rwlock_trywrlock(&l) == -EINVAL);
	bad += WRONG(green_rwlock_unlock(&l) == -EINVAL);
	return bad + WRONG(green_rwlock_destroy(&l) == -EINVAL);
}

/* ---- with so many workers ------------------------------------------------ */

WITH_WORKERS(mutexes);
GREEN_TEST(mutexes, one_at_a_time, one_at_a_time);
GREEN_TEST(mutexes, errors, errors);
GREEN_TEST(mutexes, is_handed_over_in_turn, turns);
GREEN_TEST(mutexes, deadlines, deadlines);
GREEN_TEST(mutexes, cancelled, cancelled);
GREEN_TEST(mutexes, is_unlocked_by_a_deferred_call, deferred_unlock);
GREEN_TEST(mutexes, whose_owner_is_gone, owner_gone);

TEST_F(mutexes, of_an_earlier_run)
{
	EXPECT_EQ(0, green_run(&self->opt, abandons, NULL));
	EXPECT_EQ(0, green_run(&self->opt, finds_abandoned, NULL));
}

TEST_F(mutexes, outside)
{
	EXPECT_EQ(-EPERM, green_mutex_lock(&m));
	EXPECT_EQ(-EPERM, green_mutex_trylock(&m));
	EXPECT_EQ(-EPERM, green_mutex_unlock(&m));
	EXPECT_EQ(-EPERM, green_mutex_destroy(&m));
	EXPECT_EQ(-EPERM, green_cond_wait(&c, &m));
	EXPECT_EQ(-EPERM, green_cond_signal(&c));
	EXPECT_EQ(-EPERM, green_rwlock_rdlock(&l));
	EXPECT_EQ(-EPERM, green_rwlock_unlock(&l));
}

TEST_F(mutexes, held_at_the_end)
{
	const char *text;

	if (!green_holds)
		SKIP(return, "not a debug build");
	text = said(&self->opt, ends_with_two);
	EXPECT_NE(NULL, strstr(text, "has ended with 2 mutexes or rwlocks held"));
	text = said(&self->opt, leaves_one);
	EXPECT_NE(NULL, strstr(text, "was left at the end of green_run() with 1 mutexes"));
	EXPECT_STREQ("", said(&self->opt, deferred_unlock));
	EXPECT_STREQ("", said(&self->opt, cancelled));
}

WITH_WORKERS(conds);
GREEN_TEST(conds, passes_all_on, passed_on);
GREEN_TEST(conds, signals, signals);
GREEN_TEST(conds, errors, cond_errors);
GREEN_TEST(conds, deadline, cond_deadline);
GREEN_TEST(conds, cancelled, cancelled_in_cond);
GREEN_TEST(conds, cancelled_after_the_signal, cancelled_too_late);

WITH_WORKERS(rwlocks);
GREEN_TEST(rwlocks, readers_and_writers, readers_and_writers);
GREEN_TEST(rwlocks, a_writer_is_not_overtaken, writer_waits);
GREEN_TEST(rwlocks, a_writer_that_gives_up, writer_gives_up);
GREEN_TEST(rwlocks, errors, rwlock_errors);

TEST_HARNESS_MAIN
