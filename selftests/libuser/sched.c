// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Threads and the scheduler, from plain C: start, join, order, time, errors. */
#include <errno.h>
#include <green.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"

static int in_main(int (*fn)(void *), void *arg)
{
	return green_run(&alone, fn, arg);
}

static int return_seven(void *arg)
{
	return arg ? -1 : 7;
}

TEST(run_returns_what_main_returns)
{
	EXPECT_EQ(7, in_main(return_seven, NULL));
	/* And again: nothing of the first run is left. */
	EXPECT_EQ(7, in_main(return_seven, NULL));
}

static int run_inside(void *arg)
{
	(void)arg;
	return green_run(&alone, return_seven, NULL);
}

TEST(run_inside_run_is_busy)
{
	EXPECT_EQ(-EBUSY, in_main(run_inside, NULL));
}

static char order[64];

static void note_twice(void *arg)
{
	const char *s = arg;

	strcat(order, s);
	green_yield();
	strcat(order, s);
}

static int fifo(void *arg)
{
	green_t *t[3];
	int i, err = 0;

	(void)arg;
	order[0] = '\0';
	t[0] = green_go(note_twice, "a");
	t[1] = green_go(note_twice, "b");
	t[2] = green_go(note_twice, "c");
	for (i = 0; i < 3; i++)
		err |= green_join(t[i]);
	return err;
}

TEST(the_run_queue_is_first_in_first_out)
{
	EXPECT_EQ(0, in_main(fifo, NULL));
	EXPECT_STREQ("abcabc", order);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void sleep_long(void *arg)
{
	(void)arg;
	green_sleep_ns(3600000000000ull);
}

static int join_errors(void *arg)
{
	green_t *t = green_go(sleep_long, NULL), *u = green_go(nothing, NULL);
	int *r = arg;

	r[0] = green_join(green_self());
	green_deadline(green_now_ns() + 1000000);
	r[1] = green_join(t);
	green_deadline(0);
	r[2] = green_detach(t);
	r[3] = green_join(t);
	r[4] = green_detach(t);
	green_yield();
	/* It has ended meanwhile; joining it still works, once. */
	r[5] = green_join(u);
	return 0;
}

TEST(join_and_detach_errors)
{
	int r[6];

	EXPECT_EQ(0, in_main(join_errors, r));
	EXPECT_EQ(-EDEADLK, r[0]);
	EXPECT_EQ(-ETIMEDOUT, r[1]);
	EXPECT_EQ(0, r[2]);
	EXPECT_EQ(-EINVAL, r[3]);
	EXPECT_EQ(-EINVAL, r[4]);
	EXPECT_EQ(0, r[5]);
}

static uint64_t unit;			/* of time, in nanoseconds */

static void sleep_and_note(void *arg)
{
	uint64_t units = (uintptr_t)arg;

	green_sleep_ns(units * unit);
	order[strlen(order)] = '0' + units;
}

/* Did all begin to sleep within one unit? */
static int sleepers(void *arg)
{
	static const uintptr_t units[] = { 5, 1, 4, 2, 3 };
	uint64_t start = green_now_ns();
	bool *soon = arg;
	green_t *t[5];
	int i;

	memset(order, 0, sizeof(order));
	for (i = 0; i < 5; i++)
		t[i] = green_go(sleep_and_note, (void *)units[i]);
	green_yield();
	*soon = green_now_ns() - start < unit;
	for (i = 0; i < 5; i++)
		green_join(t[i]);
	return 0;
}

TEST(sleepers_wake_in_the_order_of_their_times)
{
	bool soon = false;

	/* A machine that was busy elsewhere meanwhile gets another chance. */
	for (unit = 10000000; !soon; unit *= 2)
		ASSERT_EQ(0, in_main(sleepers, &soon));
	EXPECT_STREQ("12345", order);
}

static int sleep_beyond_deadline(void *arg)
{
	uint64_t t0 = green_now_ns();
	int err;

	(void)arg;
	green_deadline(t0 + 2000000);
	err = green_sleep_ns(3600000000000ull);
	if (green_now_ns() - t0 < 2000000)
		return 1;
	return err;
}

TEST(a_deadline_ends_a_sleep)
{
	EXPECT_EQ(-ETIMEDOUT, in_main(sleep_beyond_deadline, NULL));
}

static long sum;

static void add(void *arg)
{
	green_yield();
	sum += (long)arg;
}

static int many(void *arg)
{
	green_t **t = calloc(20000, sizeof(*t));
	long i;
	int err = 0;

	(void)arg;
	sum = 0;
	for (i = 0; i < 20000; i++)
		t[i] = green_go(add, (void *)i);
	for (i = 0; i < 20000; i++)
		err |= t[i] ? green_join(t[i]) : -ENOMEM;
	free(t);
	return err;
}

TEST(twenty_thousand_threads_at_once)
{
	EXPECT_EQ(0, in_main(many, NULL));
	EXPECT_EQ(19999L * 20000 / 2, sum);
}

static int left_behind(void *arg)
{
	(void)arg;
	return green_go(sleep_long, NULL) && green_go(sleep_long, NULL) ? 3 : -1;
}

TEST(threads_left_behind_are_abandoned)
{
	EXPECT_EQ(3, in_main(left_behind, NULL));
}

static int ask_backend(void *arg)
{
	struct green_stats stats;

	green_stats(&stats);
	*(const char **)arg = stats.backend;
	return 0;
}

TEST(outside_of_run_calls_say_eperm)
{
	EXPECT_EQ(NULL, green_self());
	EXPECT_EQ(NULL, green_go(nothing, NULL));
	EXPECT_EQ(-EPERM, green_sleep_ns(1));
	EXPECT_EQ(-EPERM, green_close(-1));
	EXPECT_EQ(-EPERM, green_pin());
	EXPECT_EQ(-EPERM, green_stack_move(NULL, 0, NULL));
	EXPECT_EQ(0, green_deadline(1));
}

TEST(a_max_stack_beyond_2_GiB_is_refused)
{
	struct green_options opt = { ALONE, .max_stack = 4UL << 30 };

	EXPECT_EQ(-EINVAL, green_run(&opt, return_seven, NULL));
	opt.max_stack = 1UL << 30;
	EXPECT_EQ(7, green_run(&opt, return_seven, NULL));
}

TEST(the_module_is_used_where_it_is)
{
	const char *backend = NULL;

	EXPECT_EQ(0, in_main(ask_backend, &backend));
	EXPECT_STREQ(access("/dev/green", F_OK) ? "user" : "module", backend);
}

TEST(a_bad_debug_word_is_refused)
{
	setenv("GREEN_DEBUG", "move=sometimes", 1);
	EXPECT_EQ(-EINVAL, in_main(return_seven, NULL));
	setenv("GREEN_DEBUG", "skip=", 1);
	EXPECT_EQ(-EINVAL, in_main(return_seven, NULL));
	unsetenv("GREEN_DEBUG");
}

TEST_HARNESS_MAIN
