// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Threads that compute for long keep others from nothing: with several workers not
 * for as long as they compute, with one not for many of their slices.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "alone.h"
#include "foreign.h"
#include "kselftest_harness.h"

#define ROUNDS 10

static const struct green_options two = { .workers = 2 };

/* Computes until the others have done so much; gives up after some seconds. */
static volatile long done;

static bool computes_until(long want)
{
	uint64_t end = green_now_ns() + test_pace() * 5000000000u;

	while (__atomic_load_n(&done, __ATOMIC_RELAXED) < want)
		if (green_now_ns() > end)
			return false;
	return true;
}

static volatile bool over, starved;

static void computes(void *arg)
{
	if (!computes_until((long)arg))
		starved = true;
}

static void did_none(void)
{
	__atomic_store_n(&done, 0, __ATOMIC_RELAXED);
}

static void did_one(void)
{
	__atomic_add_fetch(&done, 1, __ATOMIC_RELAXED);
}

static void ticks(void *arg)
{
	while (!over) {
		green_sleep_ns(100000);
		did_one();
	}
}

static int sleeps_beside_one(void *arg)
{
	green_t *t = green_go(ticks, NULL);

	over = starved = false;
	for (int i = 0; i < ROUNDS && !starved; i++) {
		green_sleep_ns(1000000);
		did_none();
		green_join(green_go(computes, (void *)20L));
	}
	over = true;
	return green_join(t);
}

TEST(a_sleeper_is_run_by_the_idle_worker)
{
	EXPECT_EQ(0, green_run(&two, sleeps_beside_one, NULL));
	EXPECT_FALSE(starved);
}

static int fd[2];

static void reads(void *arg)
{
	char c;

	green_read(fd[0], &c, 1);
	did_one();
}

/* Is it the first thread's worker that asks for a read, while the other is idle? */
static pid_t here;
static volatile bool asks, elsewhere;

static void reads_here(void *arg)
{
	green_bind();
	elsewhere = gettid() != here;
	if (!elsewhere)
		usleep(20000);
	/* What this worker looks after by itself, it does now, and not at the read. */
	green_yield();
	asks = true;
	reads(NULL);
}

/* Looks at the pipe as long as there is something in it. */
static bool is_emptied(void)
{
	uint64_t end = green_now_ns() + test_pace() * 5000000000u;
	int left = 1;

	while (left && green_now_ns() < end)
		ioctl(fd[0], FIONREAD, &left);
	return !left;
}

/* That worker does not switch: who submits what was asked for? */
static int read_beside_one(void *arg)
{
	int rounds = 0;

	green_bind();
	here = gettid();
	for (int tries = 0; rounds < ROUNDS && tries < 1000; tries++) {
		green_t *r;

		/* The other one rests by then. */
		usleep(1000);
		if (write(fd[1], "", 1) != 1)
			return -EIO;
		asks = false;
		r = green_go(reads_here, NULL);
		while (!asks)
			green_yield();
		if (!elsewhere && !is_emptied())
			return -EDEADLK;
		rounds += !elsewhere;
		green_join(r);
	}
	return rounds == ROUNDS ? 0 : -EAGAIN;
}

TEST(a_read_is_submitted_by_the_idle_worker)
{
	ASSERT_EQ(0, pipe(fd));
	EXPECT_EQ(0, green_run(&two, read_beside_one, NULL));
	close(fd[0]);
	close(fd[1]);
}

static void yields_often(void *arg)
{
	while (!over)
		green_yield();
}

static void yields_ten_times(void *arg)
{
	for (int i = 0; i < 10; i++)
		green_yield();
	did_one();
}

/* Nobody is idle, and yet nobody waits behind the one that computes. */
static int beside_busy_ones(void *arg)
{
	green_t *busy[4], *t[8], *c;

	over = starved = false;
	for (int i = 0; i < 4; i++)
		busy[i] = green_go(yields_often, NULL);
	for (int n = 0; n < ROUNDS && !starved; n++) {
		did_none();
		for (int i = 0; i < 4; i++)
			t[i] = green_go(yields_ten_times, NULL);
		c = green_go(computes, (void *)8L);
		for (int i = 4; i < 8; i++)
			t[i] = green_go(yields_ten_times, NULL);
		for (int i = 0; i < 8; i++)
			green_join(t[i]);
		green_join(c);
	}
	over = true;
	for (int i = 0; i < 4; i++)
		green_join(busy[i]);
	return 0;
}

TEST(who_waits_behind_one_that_computes_is_rescued)
{
	EXPECT_EQ(0, green_run(&two, beside_busy_ones, NULL));
	EXPECT_FALSE(starved);
}

/* Frames of foreign code keep a thread where it is; what comes behind it is free. */
static void sleeps_in_foreign_code(void *arg)
{
	while (!over)
		green_sleep_ns(100000);
}

static void is_foreign(void *arg)
{
	foreign_call(sleeps_in_foreign_code, NULL);
}

static int behind_foreign_ones(void *arg)
{
	green_t *f[30], *t;

	over = starved = false;
	for (int i = 0; i < 30; i++)
		f[i] = green_go(is_foreign, NULL);
	t = green_go(ticks, NULL);
	for (int i = 0; i < ROUNDS && !starved; i++) {
		green_sleep_ns(1000000);
		did_none();
		green_join(green_go(computes, (void *)20L));
	}
	over = true;
	for (int i = 0; i < 30; i++)
		green_join(f[i]);
	return green_join(t);
}

TEST(who_waits_behind_thirty_that_may_not_be_taken_is_taken)
{
	EXPECT_EQ(0, green_run(&two, behind_foreign_ones, NULL));
	EXPECT_FALSE(starved);
}

/* ---- one worker ---------------------------------------------------------- */

#define SLICE (CLOCKS_PER_SEC / 1000)		/* of CPU time */

static long slices, late;
static uint64_t due;

static void computes_in_slices(void *arg)
{
	while (!over) {
		clock_t end = clock() + SLICE;

		while (clock() < end)
			;
		slices++;
		if (due && green_now_ns() > due)
			late++;
		green_yield();
	}
}

static void sleeps_five_slices(void *arg)
{
	for (int i = 0; i < 5; i++) {
		due = green_now_ns() + 5000000;
		green_sleep_ns(5000000);
		due = 0;
	}
}

static int within_few_slices(void *arg)
{
	green_t *busy[2], *s, *r;
	long before;

	over = false;
	slices = late = done = 0;
	for (int i = 0; i < 2; i++)
		busy[i] = green_go(computes_in_slices, NULL);
	green_yield();
	before = slices;
	r = green_go(reads, NULL);
	green_join(r);
	*(long *)arg = slices - before;
	s = green_go(sleeps_five_slices, NULL);
	green_join(s);
	over = true;
	for (int i = 0; i < 2; i++)
		green_join(busy[i]);
	return 0;
}

TEST(reads_and_sleeps_between_slices_take_few_of_them)
{
	long waited = 0;

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(1, write(fd[1], "", 1));
	EXPECT_EQ(0, green_run(&alone, within_few_slices, &waited));
	/* The kernel's worker for a read has to get a CPU, too. */
	EXPECT_GE(10 * test_pace(), waited);
	EXPECT_GE(5 * 5 * test_pace(), late);
	close(fd[0]);
	close(fd[1]);
}

TEST_HARNESS_MAIN
