// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Workers at rest: whatever ends a wait must end it, though the worker that has to
 * do something about it is asleep. A case that hangs is killed by the harness.
 */
#include <errno.h>
#include <green.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

static const struct green_options two = { .workers = 2 };

/* Long enough for the other worker to be at rest, without a timer. */
static void settle(void)
{
	struct timespec ts = { .tv_nsec = 20000000 };

	nanosleep(&ts, NULL);
}

/* One runs, the other waits for ever: the timer is set while it does. */
static int sleeps_alone(void *arg)
{
	settle();
	return green_sleep_ns(1000000);
}

TEST(a_timer_is_set_while_the_other_waits_in_the_ring)
{
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, green_run(&two, sleeps_alone, NULL));
}

static void sleeps(void *arg)
{
	green_sleep_ns(2000000);
}

static int timers_one_before_the_other(void *arg)
{
	green_t *t = green_go(sleeps, NULL);

	settle();
	green_sleep_ns(1000000);
	return green_join(t);
}

TEST(an_earlier_timer_ends_the_wait_for_a_later_one)
{
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, green_run(&two, timers_one_before_the_other, NULL));
}

static int fd[2];

static void writes(void *arg)
{
	settle();
	green_write(fd[1], "x", 1);
}

static int reads(void *arg)
{
	green_t *t = green_go(writes, NULL);
	char c = 0;
	long n = green_read(fd[0], &c, 1);

	green_join(t);
	return n == 1 && c == 'x' ? 0 : -EIO;
}

TEST(a_completion_while_one_waits_in_the_ring)
{
	ASSERT_EQ(0, pipe(fd));
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, green_run(&two, reads, NULL));
	close(fd[0]);
	close(fd[1]);
}

static void ends(void *arg)
{
	settle();
}

static int joins(void *arg)
{
	return green_join(green_go(ends, NULL));
}

TEST(a_join_while_the_joiners_worker_rests)
{
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, green_run(&two, joins, NULL));
}

TEST_HARNESS_MAIN
