// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Groups: threads that end before the scope that began them. Built by greencc. */
#include <errno.h>
#include <green_sync.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workers.h"

#define CHILDREN 20

static int ran, ended, flag;
static struct green_sem never;

static void clear(void)
{
	never = (struct green_sem)GREEN_SEM_INIT(0);
	ran = ended = flag = 0;
}

static void ends(void)
{
	count(&ended);
}

static long squares(void *arg)
{
	long n = (long)arg;

	for (long i = 0; i < n % 4; i++)
		green_yield();
	return n * n;
}

/* Until it is cancelled; its defers run then, and take a while. */
static long waits(void *arg)
{
	GREEN_SCOPE;

	green_defer(ends);
	green_defer(green_yield);
	count(&ran);
	green_sem_wait(&never);
	return 0;
}

static long fails(void *arg)
{
	green_yield();
	return (long)arg;
}

static int results(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long result[CHILDREN];
	int bad = 0;

	clear();
	bad += WRONG(green_group_begin(&g) == 0);
	bad += WRONG(green_group_begin(&g) == -EBUSY);
	bad += WRONG(green_group_wait(&g) == 0);
	for (int twice = 0; twice < 2; twice++) {
		memset(result, -1, sizeof(result));
		for (long i = 0; i < CHILDREN; i++)
			bad += WRONG(green_group_go(&g, squares, (void *)(i << 20), &result[i]) == 0);
		bad += WRONG(green_group_wait(&g) == 0);
		for (long i = 0; i < CHILDREN; i++)
			bad += WRONG(result[i] == i * i << 40);
	}
	return bad;
}

static int first_failure(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long result[CHILDREN], failed;
	int bad = 0;

	clear();
	green_group_begin(&g);
	for (int i = 0; i < CHILDREN; i++)
		green_group_go(&g, waits, NULL, &result[i]);
	green_group_go(&g, fails, (void *)-EDOM, &failed);
	bad += WRONG(green_group_wait(&g) == -EDOM);
	bad += WRONG(failed == -EDOM);
	bad += WRONG(ran == ended);
	for (int i = 0; i < CHILDREN; i++)
		bad += WRONG(result[i] == -ECANCELED);
	/* The error stays, and says why nothing more is started. */
	bad += WRONG(green_group_go(&g, squares, NULL, NULL) == -EDOM);
	return bad + WRONG(green_group_wait(&g) == -EDOM);
}

static long fails_soon(void *arg)
{
	for (long i = 0; i < (long)arg; i++)
		green_yield();
	return -EDOM;
}

/* With several workers the group fails while a thread is on its way into it. */
static int failure_while_others_start(void *arg)
{
	int bad = 0;

	for (long round = 0; round < 200 && !bad; round++) {
		GREEN_SCOPE;
		struct green_group g;
		int left = 200;

		clear();
		green_group_begin(&g);
		green_group_go(&g, fails_soon, (void *)(round % 5), NULL);
		while (left-- && !green_group_go(&g, waits, NULL, NULL))
			;
		bad += WRONG(green_group_wait(&g) == -EDOM) + WRONG(ran == ended);
	}
	return bad;
}

/* ---- how scopes are left -------------------------------------------------- */

enum way { RETURN, BLOCK, EXIT, PANIC, CANCEL, OWN_END };

static void has_children(enum way way)
{
	int on_stack[CHILDREN] = { 0 };

	{
		GREEN_SCOPE;
		struct green_group g;

		green_group_begin(&g);
		for (int i = 0; i < CHILDREN; i++)
			green_group_go(&g, waits, &on_stack[i], NULL);
		await(&ran, CHILDREN);
		if (way == RETURN)
			return;
		if (way == EXIT)
			green_exit();
		if (way == PANIC)
			green_panic("a way out");
		if (way == OWN_END && (green_group_end(&g) || ended != CHILDREN))
			count(&flag);
		if (way == OWN_END && green_group_go(&g, squares, NULL, NULL) != -EINVAL)
			count(&flag);
		if (way == CANCEL)
			green_group_wait(&g);
	}
	if (ended != CHILDREN)
		count(&flag);
}

static void leaves(void *arg)
{
	enum way way = *(enum way *)arg;

	has_children(way);
	if (way == EXIT || way == CANCEL)
		count(&flag);
	if (ended != CHILDREN)
		count(&flag);
}

static void leaves_by_panic(void *arg)
{
	if (!green_try(leaves, arg) || ended != CHILDREN)
		count(&flag);
}

static int ways_out(void *arg)
{
	static enum way way;
	int bad = 0;

	for (way = RETURN; way <= OWN_END; way++) {
		green_t *t;

		clear();
		t = green_go(way == PANIC ? leaves_by_panic : leaves, &way);
		if (way == CANCEL) {
			await(&ran, CHILDREN);
			green_cancel(t);
		}
		bad += WRONG(green_join(t) == (way == CANCEL ? -ECANCELED : 0));
		bad += WRONG(ended == CHILDREN) + WRONG(flag == 0);
	}
	return bad;
}

static long waits_once(void *arg)
{
	count(&ran);
	green_sem_wait(&never);
	count(&ended);
	return 0;
}

/* One that is slow to end, for what it has deferred waits. */
static long slow(void *arg)
{
	GREEN_SCOPE;
	static struct green_event *wait_for;

	wait_for = arg;
	green_defer(ends);
	green_defer(green_event_wait, wait_for);
	count(&ran);
	green_sem_wait(&never);
	return 0;
}

static struct green_event go_on;

static void owns_a_slow_one(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;

	green_group_begin(&g);
	green_group_go(&g, slow, &go_on, NULL);
	await(&ran, 1);
	green_deadline(green_now_ns() - 1);
	set(&flag, 1);
}

/* Neither its deadline nor its cancellation gets an owner past the end of its group. */
static int end_waits_all_the_same(void *arg)
{
	green_t *t;
	int bad = 0;

	clear();
	go_on = (struct green_event){ 0 };
	t = green_go(owns_a_slow_one, NULL);
	await(&flag, 1);
	for (int i = 0; i < 20; i++)
		green_yield();
	green_cancel(t);
	for (int i = 0; i < 20; i++)
		green_yield();
	bad += WRONG(ended == 0);
	green_event_set(&go_on);
	green_join(t);
	return bad + WRONG(ended == 1);
}

/* ---- deadlines ------------------------------------------------------------ */

static long stubborn(void *arg)
{
	green_deadline(0);
	return waits(arg);
}

static long sees_deadline(void *arg)
{
	if (green_sem_wait(&never) == -ETIMEDOUT)
		count(&flag);
	return 0;
}

static int deadline(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long result[2] = { 1, 1 };
	uint64_t at = green_now_ns() + 5 * MS;
	int bad = 0;

	clear();
	green_group_begin(&g);
	bad += WRONG(green_group_deadline(&g, at) == 0);
	green_group_go(&g, stubborn, NULL, &result[0]);
	green_group_go(&g, sees_deadline, NULL, &result[1]);
	bad += WRONG(green_group_deadline(&g, 0) == -EBUSY || green_now_ns() >= at);
	bad += WRONG(green_group_wait(&g) == -ETIMEDOUT);
	bad += WRONG(green_now_ns() >= at);
	bad += WRONG(result[0] == -ECANCELED);
	bad += WRONG(result[1] == 0 || result[1] == -ECANCELED);
	bad += WRONG(flag == (result[1] == 0));
	bad += WRONG(ended == ran);
	green_group_end(&g);
	return bad + WRONG(green_group_deadline(&g, 0) == -EINVAL);
}

static long tells_deadline(void *arg)
{
	return (long)green_deadline(0);
}

static int inherited_deadline(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	uint64_t at = green_now_ns() + 3600000 * MS;
	long result[2] = { 1, 1 };
	int bad = 0;

	green_group_begin(&g);
	green_group_go(&g, tells_deadline, NULL, &result[0]);
	bad += WRONG(green_group_wait(&g) == 0) + WRONG(result[0] == 0);
	bad += WRONG(green_group_deadline(&g, at) == 0);
	green_group_go(&g, tells_deadline, NULL, &result[1]);
	bad += WRONG(green_group_wait(&g) == 0) + WRONG(result[1] == (long)at);
	return bad;
}

/* The owner's own ends its wait, and nothing else. */
static int owners_deadline(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	int bad = 0;

	clear();
	green_group_begin(&g);
	green_group_go(&g, waits, NULL, NULL);
	await(&ran, 1);
	green_deadline(green_now_ns() + 2 * MS);
	bad += WRONG(green_group_wait(&g) == -ETIMEDOUT);
	bad += WRONG(green_group_wait(&g) == -ETIMEDOUT);
	bad += WRONG(ended == 0);
	green_deadline(0);
	green_sem_post(&never);
	bad += WRONG(green_group_wait(&g) == 0);
	return bad + WRONG(ended == 1);
}

/* ---- others --------------------------------------------------------------- */

static struct green_group *shared;

static long intrudes(void *arg)
{
	return green_group_wait(shared) == -EDEADLK && green_group_end(shared) == -EDEADLK &&
	       green_group_go(shared, squares, (void *)7, arg) == 0;
}

static void stranger(void *arg)
{
	if (green_group_wait(shared) == -EPERM && green_group_end(shared) == -EPERM)
		count(&flag);
	green_group_cancel(shared);
}

static int not_the_owner(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long result[2] = { 0, 0 };
	int bad = 0;

	clear();
	shared = &g;
	green_group_begin(&g);
	green_group_go(&g, intrudes, &result[1], &result[0]);
	bad += WRONG(green_group_wait(&g) == 0);
	bad += WRONG(result[0] == 1) + WRONG(result[1] == 49);
	green_group_go(&g, waits, NULL, &result[0]);
	green_join(green_go(stranger, NULL));
	bad += WRONG(flag == 1);
	bad += WRONG(green_group_wait(&g) == -ECANCELED);
	bad += WRONG(result[0] == -ECANCELED);
	bad += WRONG(green_group_end(&g) == 0) + WRONG(green_group_end(&g) == 0);
	bad += WRONG(green_group_cancel(&g) == -EINVAL);
	return bad + WRONG(green_group_wait(&g) == -EINVAL);
}

static green_t *child;

static long tells_its_name(void *arg)
{
	__atomic_store_n(&child, green_self(), __ATOMIC_RELEASE);
	return waits_once(arg);
}

/* One that somebody else cancels has failed. */
static int cancelled_child(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long result[2];
	int bad = 0;

	clear();
	green_group_begin(&g);
	green_group_go(&g, waits, NULL, &result[0]);
	green_group_go(&g, tells_its_name, NULL, &result[1]);
	await(&ran, 2);
	bad += WRONG(green_join(child) == -EINVAL);
	green_cancel(child);
	bad += WRONG(green_group_wait(&g) == -ECANCELED);
	bad += WRONG(result[1] == -ECANCELED) + WRONG(result[0] == -ECANCELED);
	return bad;
}

/* Groups in groups, to a depth; a failure at the bottom ends them all. */
static long nests(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long depth = (long)arg;

	if (!depth)
		return fails((void *)-ERANGE);
	green_group_begin(&g);
	green_group_go(&g, waits, NULL, NULL);
	green_group_go(&g, nests, (void *)(depth - 1), NULL);
	return green_group_wait(&g);
}

static int nested(void *arg)
{
	clear();
	return WRONG(nests((void *)10) == -ERANGE) + WRONG(ran == ended);
}

static int left_by_run(void *arg)
{
	green_go(leaves, arg);
	await(&ran, CHILDREN);
	return 0;
}

static int forked(void *arg)
{
	int status = 0;

	GREEN_SCOPE;
	struct green_group g;
	pid_t pid;
	int bad = 0;

	clear();
	green_group_begin(&g);
	green_group_go(&g, waits, NULL, NULL);
	await(&ran, 1);
	pid = fork();
	if (!pid) {
		long result = 0;

		bad += WRONG(green_group_wait(&g) == 0);
		bad += WRONG(green_group_go(&g, squares, (void *)3, &result) == 0);
		bad += WRONG(green_group_wait(&g) == 0) + WRONG(result == 9);
		_exit(bad + WRONG(green_group_end(&g) == 0));
	}
	waitpid(pid, &status, 0);
	return WRONG(status == 0);
}

static long forks_in_child(void *arg)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid)
		return 0;
	waitpid(pid, &status, 0);
	return status;
}

/* The child's thread ends, and with it the process: there is no group to tell. */
static int child_forks(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long status = -1;

	green_group_begin(&g);
	green_group_go(&g, forks_in_child, NULL, &status);
	green_group_wait(&g);
	return WRONG(status == 0);
}

/* Waves of groups whose children come and go, fail and are cancelled, all at once. */
static long of_a_wave(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long nr = (long)arg, sum = 0, result[8];

	for (int round = 0; round < 20; round++) {
		green_group_begin(&g);
		for (int i = 0; i < 8; i++)
			if (green_group_go(&g, i == 7 && nr % 2 ? fails : i % 3 ? squares : waits,
					   i == 7 ? (void *)-ERANGE : (void *)(long)i, &result[i]))
				break;
		if (nr % 2 == 0)
			green_group_cancel(&g);
		sum += green_group_wait(&g) == (nr % 2 ? -ERANGE : -ECANCELED);
		green_group_end(&g);
	}
	return sum;
}

static int waves(void *arg)
{
	GREEN_SCOPE;
	struct green_group g;
	long result[CHILDREN];
	int bad = 0;

	clear();
	green_group_begin(&g);
	for (long i = 0; i < CHILDREN; i++)
		green_group_go(&g, of_a_wave, (void *)i, &result[i]);
	bad += WRONG(green_group_wait(&g) == 0);
	for (int i = 0; i < CHILDREN; i++)
		bad += WRONG(result[i] == 20);
	return bad + WRONG(ran == ended);
}

WITH_WORKERS(groups);
GREEN_TEST(groups, results_come_back, results);
GREEN_TEST(groups, first_failure_cancels_the_others, first_failure);
GREEN_TEST(groups, failure_while_others_start, failure_while_others_start);
GREEN_TEST(groups, is_waited_for_on_all_ways_out, ways_out);
GREEN_TEST(groups, end_waits_all_the_same, end_waits_all_the_same);
GREEN_TEST(groups, deadline, deadline);
GREEN_TEST(groups, inherited_deadline, inherited_deadline);
GREEN_TEST(groups, owners_deadline, owners_deadline);
GREEN_TEST(groups, not_the_owner, not_the_owner);
GREEN_TEST(groups, cancelled_child, cancelled_child);
GREEN_TEST(groups, nested, nested);
GREEN_TEST(groups, forked, forked);
GREEN_TEST(groups, child_forks, child_forks);
GREEN_TEST(groups, waves, waves);

TEST_F(groups, left_by_green_run)
{
	static enum way way = CANCEL;

	clear();
	EXPECT_EQ(0, green_run(&self->opt, left_by_run, &way));
}

TEST_F(groups, outside)
{
	GREEN_SCOPE;
	struct green_group g = { .state = 0 };

	EXPECT_EQ(-EPERM, green_group_begin(&g));
	EXPECT_EQ(-EPERM, green_group_go(&g, squares, NULL, NULL));
	EXPECT_EQ(-EPERM, green_group_wait(&g));
	EXPECT_EQ(-EPERM, green_group_cancel(&g));
}

TEST_HARNESS_MAIN
