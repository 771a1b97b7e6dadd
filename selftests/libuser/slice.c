// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Time slices: a thread that computes without end, and calls mapped functions meanwhile, lets
 * others run; what it has on its stack, in its registers and in errno stays right, also
 * where the stack moves just then. Where it may not be stopped it runs on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <green_sync.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foreign.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define MS 1000000ull

static volatile bool over;
static unsigned long ran;
static int begun;			/* threads that compute */

/* A leaf has no entry test: it calls another. */
static void NOINLINE keep(volatile long *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* Arguments of all kinds, those of the stack among them, and an address of the caller's. */
static long NOINLINE turn(long *sum, long a, double x, long b, long c, long d, long e, long f,
			  double y)
{
	volatile long local[40];

	keep(local);
	local[7] = a;
	keep(local);
	*sum += b + c + d + e + f + (long)(x + y) + local[7] - a;
	return a + 1;
}

/* Where a map cannot say which arguments are pointers, the stack stays where it is. */
struct whole {
	long *sum;
	long add[5];
};

static void NOINLINE turn_whole(struct whole w, long *again)
{
	volatile long local[40];

	keep(local);
	*w.sum += w.add[4];
	*again -= 1;
}

struct computing {
	long turns;
	long wrong;
};

static void NOINLINE turns(struct computing *c, const volatile bool *end)
{
	long sum = 0, n = 0, *at = &sum;

	errno = 1000;
	__atomic_add_fetch(&begun, 1, __ATOMIC_RELAXED);
	do {
		n = turn(at, n, 0.5, 1, 2, 3, 4, 5, 0.5);
		turn_whole((struct whole){ at, { 0, 0, 0, 0, 1 } }, &sum);
		if (sum != 16 * n || at != &sum || errno != 1000)
			c->wrong++;
	} while (!*end);
	c->turns += n;
}

static void computes(void *arg)
{
	turns(arg, &over);
}

/* Once all compute it runs a few times, and changes what belongs to the OS thread. */
static void comes_often(void *arg)
{
	while (__atomic_load_n(&begun, __ATOMIC_RELAXED) < (int)(long)arg)
		green_yield();
	for (int i = 0; i < 5; i++) {
		errno = i;
		__atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
		green_yield();
	}
	over = true;
}

#define COMPUTE 3

static struct computing computing[COMPUTE];
static struct green_stats stats;

static int beside_computing(void *arg)
{
	green_t *t[COMPUTE], *other;
	int wrong = 0;

	over = false;
	ran = 0;
	begun = 0;
	for (int i = 0; i < COMPUTE; i++) {
		computing[i] = (struct computing){ 0 };
		t[i] = green_go(computes, &computing[i]);
	}
	other = green_go(comes_often, (void *)(long)COMPUTE);
	for (int i = 0; i < COMPUTE; i++) {
		green_join(t[i]);
		wrong += computing[i].wrong != 0 || !computing[i].turns;
	}
	green_join(other);
	green_stats(&stats);
	return wrong;
}

FIXTURE(slice)
{
	struct green_options opt;
};

FIXTURE_VARIANT(slice)
{
	unsigned int workers;
	const char *debug;
};

#define VARIANT(name, nr, how)						\
	FIXTURE_VARIANT_ADD(slice, name) { .workers = nr, .debug = how }

VARIANT(one_worker, 1, "");
VARIANT(two_workers, 2, "");
VARIANT(moved_when_it_yields, 1, "move=park,verify");
VARIANT(moved_in_calls, 2, "move=call");
VARIANT(moved_at_entry, 1, "move=entry,stack=2048");
VARIANT(each_entry, 1, "slice,move=park,stack=2048");
VARIANT(some_entries, 2, "slice:3,move=park,verify");
VARIANT(entries_that_move, 2, "slice:2,move=entry,stack=1024");

FIXTURE_SETUP(slice)
{
	setenv("GREEN_DEBUG", variant->debug, 1);
	self->opt.workers = variant->workers;
	self->opt.slice = GREEN_SLICE;
}

FIXTURE_TEARDOWN(slice)
{
	unsetenv("GREEN_DEBUG");
}

/* With as many that compute as there are workers, and one more, nobody is idle. */
TEST_F(slice, others_run_beside_threads_that_compute)
{
	EXPECT_EQ(0, green_run(&self->opt, beside_computing, NULL));
	EXPECT_EQ(5, ran);
	EXPECT_LT(0, stats.sliced);
}

/* A thread that makes calls that do not wait is in the runtime nearly all of the time. */
static void NOINLINE tries(struct green_sem *s)
{
	volatile long local[40];

	keep(local);
	for (int i = 0; i < 3; i++)
		green_sem_trywait(s);
}

static void calls(void *arg)
{
	struct green_sem s = { 0 };

	while (!over)
		tries(&s);
}

static int beside_calls(void *arg)
{
	green_t *t, *other;

	over = false;
	ran = 0;
	t = green_go(calls, NULL);
	other = green_go(comes_often, NULL);
	green_join(t);
	return green_join(other);
}

TEST(others_run_beside_one_that_calls_without_waiting)
{
	struct green_options opt = { .workers = 1, .slice = GREEN_SLICE };

	EXPECT_EQ(0, green_run(&opt, beside_calls, NULL));
	EXPECT_EQ(5, ran);
}

/* ---- who waits for something else -------------------------------------------- */

static int fd[2];

static void sleeps_and_reads(void *arg)
{
	char c;

	green_sleep_ns(MS);
	ran += green_read(fd[0], &c, 1) == 1;
	over = true;
}

static int beside_a_sleeper(void *arg)
{
	green_t *t = green_go(sleeps_and_reads, NULL);
	struct computing c = { 0 };

	over = false;
	ran = 0;
	/* The first thread computes itself, and nobody but the sleeper is there. */
	green_yield();
	turns(&c, &over);
	green_join(t);
	return c.wrong != 0;
}

TEST(timers_and_reads_are_looked_after)
{
	struct green_options opt = { .workers = 1, .slice = 2 * MS };

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(1, write(fd[1], "x", 1));
	EXPECT_EQ(0, green_run(&opt, beside_a_sleeper, NULL));
	EXPECT_EQ(1, ran);
	close(fd[0]);
	close(fd[1]);
}

/* ---- who is let run ------------------------------------------------------------ */

static volatile bool other_ran;

static void says_so(void *arg)
{
	other_ran = true;
}

/* Twenty slices, and more on a slow machine; returns whether another thread ran. */
static bool NOINLINE computes_long(void)
{
	uint64_t end = green_now_ns() + 40 * MS;
	long sum = 0, n = 0;

	other_ran = false;
	while (green_now_ns() < end && !other_ran)
		n = turn(&sum, n, 0.5, 1, 2, 3, 4, 5, 0.5);
	return other_ran;
}

static void in_foreign_code(void *arg)
{
	*(bool *)arg = computes_long();
}

/* In each way; the bits say where another ran meanwhile. */
static int ways_to_be_let_run(void *arg)
{
	static bool seen;
	int ways = 0;
	green_t *t;

	t = green_go(says_so, NULL);
	green_bind();
	ways |= computes_long() << 0;
	green_unbind();
	green_join(t);
	t = green_go(says_so, NULL);
	foreign_call(in_foreign_code, &seen);
	ways |= seen << 1;
	green_join(t);
	t = green_go(says_so, NULL);
	ways |= computes_long() << 2;
	green_join(t);
	return ways;
}

TEST(bound_threads_and_callbacks_of_foreign_code_run_on)
{
	struct green_options opt = { .workers = 1, .slice = 2 * MS };

	EXPECT_EQ(1 << 2, green_run(&opt, ways_to_be_let_run, NULL));
}

TEST(slices_are_off_if_not_asked_for)
{
	struct green_options opt = { .workers = 1 };

	EXPECT_EQ(0, green_run(&opt, ways_to_be_let_run, NULL));
	setenv("GREEN_DEBUG", "slice", 1);
	EXPECT_EQ(0, green_run(&opt, ways_to_be_let_run, NULL));
	unsetenv("GREEN_DEBUG");
}

/* ---- defers, panics, deep stacks ------------------------------------------------- */

static void deferred(long *sum)
{
	for (long n = 0; n < 20;)
		n = turn(sum, n, 0.5, 1, 2, 3, 4, 5, 0.5);
}

static void panics(void *arg)
{
	GREEN_SCOPE;
	green_defer(deferred, (long *)arg);
	green_panic("as expected");
}

static void exits(void *arg)
{
	GREEN_SCOPE;
	green_defer(deferred, (long *)arg);
	green_exit();
}

static long NOINLINE down(int n)
{
	long sum = 0;

	if (!n)
		return 0;
	turn(&sum, n, 0.5, 1, 2, 3, 4, 5, 0.5);
	return sum + down(n - 1);
}

static void unwinds(void *arg)
{
	long *sum = arg;

	for (int i = 0; i < 10; i++)
		*sum += !green_try(panics, sum);
	*sum += down(200) != 200 * 16;
	exits(sum);
}

static int ends_in_all_ways(void *arg)
{
	static long sum[4];
	green_t *t[4];
	int wrong = 0;

	for (int i = 0; i < 4; i++) {
		sum[i] = 0;
		t[i] = green_go(unwinds, &sum[i]);
	}
	for (int i = 0; i < 4; i++)
		wrong += green_join(t[i]) != 0 || sum[i] != 11 * 20 * 16;
	return wrong;
}

TEST(defers_panics_and_growth_are_interrupted_anywhere)
{
	static const char *const debug[] = {
		"slice", "slice:3,move=park", "slice,stack=1024", "slice:5,move=call,stack=2048",
		"slice,nomove,stack=2048",
	};

	for (unsigned int i = 0; i < 2 * sizeof(debug) / sizeof(debug[0]); i++) {
		struct green_options opt = { .workers = 1 + i % 2, .slice = GREEN_SLICE };

		setenv("GREEN_DEBUG", debug[i / 2], 1);
		EXPECT_EQ(0, green_run(&opt, ends_in_all_ways, NULL));
	}
	unsetenv("GREEN_DEBUG");
}

/* ---- fork() -------------------------------------------------------------------------- */

static int forks(void *arg)
{
	struct green_options opt = { .workers = 2, .slice = GREEN_SLICE };
	int status = -1;
	pid_t pid;

	/* By then there is a watcher. */
	if (beside_computing(NULL))
		return 1;
	pid = fork();
	if (!pid) {
		int wrong = beside_computing(NULL);

		/* And once more, in a run of the child's own. */
		wrong += green_run(&opt, beside_computing, NULL);
		wrong += beside_computing(NULL);
		_exit(wrong);
	}
	waitpid(pid, &status, 0);
	return status ?: beside_computing(NULL);
}

TEST(there_are_slices_in_a_child)
{
	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct green_options opt = { .workers = workers, .slice = 2 * MS };

		EXPECT_EQ(0, green_run(&opt, forks, NULL));
	}
}

TEST_HARNESS_MAIN
