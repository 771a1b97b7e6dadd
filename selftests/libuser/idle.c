// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Workers at rest: whatever ends a wait must end it, though the worker that has to
 * do something about it is asleep. A case that hangs is killed by the harness.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "alone.h"
#include "asleep.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))

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

/* ---- a process that sleeps as a whole ------------------------------------------ */

#define SLEEPERS 200
#define USED_KB 250L

static int *const gate = fd;

static long resident_kb(void)
{
	long pages, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * 4;
}

static long NOINLINE uses(long kb)
{
	volatile char room[900];

	room[kb % 900] = 1;
	return kb ? uses(kb - 1) + room[kb % 900] : 0;
}

static int used;

static void uses_and_waits(void *arg)
{
	char c;

	uses(USED_KB);
	__atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);
	green_read(gate[0], &c, 1);
}

static struct {
	long before, after;
	bool asleep;
} seen;

/* It looks for as long as the harness lets it. */
static void *watches(void *arg)
{
	long n, last = -1, same = 0;

	do {
		usleep(100000);
		seen.after = resident_kb();
		n = sleeps_of_others();
		same = n == last ? same + 1 : 0;
		last = n;
	} while (seen.after > seen.before - SLEEPERS * USED_KB / 2 || same < 15);
	seen.asleep = true;
	for (int i = 0; i < SLEEPERS; i++)
		if (write(gate[1], "x", 1) != 1)
			break;
	return NULL;
}

static int all_sleep(void *arg)
{
	static green_t *t[SLEEPERS];
	pthread_t watcher;

	used = 0;
	if (pipe(gate))
		return -errno;
	for (int i = 0; i < SLEEPERS; i++)
		t[i] = green_go(uses_and_waits, NULL);
	/* With two workers the other one may be slow. */
	while (__atomic_load_n(&used, __ATOMIC_RELAXED) < SLEEPERS)
		green_yield();
	seen.before = resident_kb();
	seen.asleep = false;
	if (pthread_create(&watcher, NULL, watches, NULL))
		return -EAGAIN;
	for (int i = 0; i < SLEEPERS; i++)
		green_join(t[i]);
	pthread_join(watcher, NULL);
	close(gate[0]);
	close(gate[1]);
	return 0;
}

TEST(memory_is_given_back_while_all_sleep)
{
	EXPECT_EQ(0, green_run(&alone, all_sleep, NULL));
	EXPECT_TRUE(seen.asleep);
	EXPECT_LT(SLEEPERS * USED_KB / 2, seen.before - seen.after);
}

TEST(memory_is_given_back_while_all_workers_sleep)
{
	EXPECT_EQ(0, green_run(&two, all_sleep, NULL));
	EXPECT_TRUE(seen.asleep);
}

/* ---- what an entry test has secured ------------------------------------------------ */

static struct green_stack_info info;
static char text[256];
static double third = 1.0 / 3;
static int shortage;

/* It asks for the stack that snprintf() needs before it does anything. */
static void NOINLINE waits_and_prints(void *arg)
{
	shortage += green_stack_move(green_self(), 4096, NULL) != -ENOSPC;
	green_sleep_ns(3500000000);
	green_stack_info(green_self(), &info);
	shortage += info.hi - info.lo - info.used < 32 << 10;
	snprintf(text, sizeof(text), "%ld %s %.60f", (long)arg, "waited", third);
}

static void tiny(void *arg)
{
	volatile long words[20];

	for (int i = 0; i < 20; i++)
		words[i] = i;
	for (int n = 0; n < 80; n++) {
		green_sleep_ns(50000000);
		for (int i = 0; i < 20; i++)
			shortage += words[i] != i;
	}
}

static int prints_after_a_wait(void *arg)
{
	green_t *t[40];

	for (int i = 0; i < 40; i++)
		t[i] = green_go(i % 4 ? tiny : waits_and_prints, NULL);
	for (int i = 0; i < 40; i++)
		green_join(t[i]);
	return 0;
}

TEST(a_smaller_stack_has_what_was_asked_for)
{
	static const struct green_options small = { .workers = 1, .stack_size = 1024 };

	shortage = 0;
	EXPECT_EQ(0, green_run(&small, prints_after_a_wait, NULL));
	EXPECT_EQ(0, shortage);
}

TEST_HARNESS_MAIN
