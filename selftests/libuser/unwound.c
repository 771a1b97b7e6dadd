// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Profilers walk the stack from a signal handler, at any instruction: of the runtime,
 * of a switch, of a thread that begins or ends, of a move. They never fault, and they
 * get to the end. UNWIND_SECONDS=30 takes longer. Built by greencc.
 */
#define _GNU_SOURCE
#include <green.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alone.h"
#include "foreign.h"
#include "kselftest_harness.h"
#include "unwinder.h"

#define NOINLINE __attribute__((noinline))

/* ---- what is walked over --------------------------------------------------- */

static int *volatile kept;
static unsigned long counted;

static void count(unsigned long *p)
{
	++*p;
}

static long NOINLINE deep(int n, long *up)
{
	volatile long room[100];

	room[n % 100] = n;
	if (n)
		return deep(n - 1, up) + room[n % 100];
	return *up;
}

/* The barrier: what is kept holds its frame, which is left by way of the runtime. */
static void NOINLINE keeps(void)
{
	int local = 1;

	kept = &local;
	kept = NULL;
}

static void NOINLINE defers(void)
{
	GREEN_SCOPE;
	green_defer(count, &counted);
	green_yield();
}

static void NOINLINE panics(void *arg)
{
	GREEN_SCOPE;
	green_defer(count, &counted);
	green_pin();
	deep(30, arg);
	green_unpin();
	green_panic("%d", 1);
}

/* On a stack that may not move: a segment, and a second one. */
static void NOINLINE segments(long *up)
{
	green_pin();
	deep(20, up);
	deep(200, up);
	green_unpin();
}

static void thread(void *arg)
{
	long top = 1;

	green_yield();
	deep(40, &top);
	green_stack_move(green_self(), 0, NULL);
	keeps();
	defers();
	green_try(panics, &top);
	segments(&top);
	foreign_takes(1000);
	green_sleep_ns(1000);
}

static void ends_early(void *arg)
{
	GREEN_SCOPE;
	green_defer(count, &counted);
	green_exit();
}

static void waits(void *arg)
{
	GREEN_SCOPE;
	green_defer(count, &counted);
	green_sleep_ns(3600000000000);
}

#define MOST_THREADS 40

static int wave(int nr)
{
	static const struct green_attr small = { .stack_size = 1024 };
	green_t *t[MOST_THREADS];

	for (int i = 0; i < nr; i++)
		t[i] = i % 4 == 0 ? green_go(thread, NULL) :
		       i % 4 == 1 ? green_go_opt(&small, thread, NULL) :
		       green_go_opt(&small, i % 4 == 2 ? ends_early : waits, NULL);
	green_yield();
	for (int i = 3; i < nr; i += 4)
		green_cancel(t[i]);
	for (int i = 0; i < nr; i++)
		if (green_join(t[i]) != (i % 4 == 3 ? -ECANCELED : 0))
			return 1;
	return 0;
}

struct way {
	struct green_options opt;
	const char *debug;
	long interval_ns, ms;
};

static int waves(void *arg)
{
	const struct way *way = arg;
	uint64_t end = green_now_ns() + (uint64_t)way->ms * 1000000;
	int ret;

	do
		ret = wave(way->interval_ns ? MOST_THREADS : 4);
	while (!ret && green_now_ns() < end);
	unwinder_stop();
	return ret;
}

static int returns_at_once(void *arg)
{
	return 0;
}

static int runs(void *arg)
{
	return green_run(&((struct way *)arg)->opt, waves, arg);
}

/* ---- in children, which a wrong walk may end ------------------------------ */

static int child(const struct way *way)
{
	struct way w = *way;
	int status, ret;
	pid_t pid = fork();

	if (!pid) {
		if (w.debug)
			setenv("GREEN_DEBUG", w.debug, 1);
		unwinder_init();
		/* The first reads all maps, which is as many instructions again. */
		green_run(&w.opt, returns_at_once, NULL);
		ret = unwinder_run(runs, &w, w.interval_ns);
		printf("# %lu walks, %lu wrong\n", unwinder.walks, unwinder.wrong);
		for (int i = 0; i < unwinder.nr; i++)
			printf("#   %p\n", unwinder.pc[i]);
		fflush(stdout);
		_exit(ret ? 3 : unwinder.wrong ? 4 : unwinder.walks < 50 ? 5 : 0);
	}
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static long milliseconds(void)
{
	const char *s = getenv("UNWIND_SECONDS");

	return s ? 1000 * atol(s) / 3 : 700;	/* three tests */
}

/* While a program steps through itself it cannot start OS threads: no slices. */
TEST(each_instruction)
{
	EXPECT_EQ(0, child(&(struct way){ .opt = alone, .debug = "trace=0" }));
}

TEST(each_instruction_with_sealed_stacks)
{
	EXPECT_EQ(0, child(&(struct way){ .opt = alone, .debug = "seal" }));
}

TEST(samples)
{
	EXPECT_EQ(0, child(&(struct way){ .opt.workers = 1, .interval_ns = 50000, .ms = milliseconds() }));
}

TEST(samples_of_two_workers)
{
	EXPECT_EQ(0, child(&(struct way){ .opt.workers = 2, .interval_ns = 50000,
					  .ms = milliseconds() }));
}

TEST(samples_with_sealed_stacks)
{
	EXPECT_EQ(0, child(&(struct way){ .opt.workers = 1, .debug = "move=park,seal",
					  .interval_ns = 50000,
					  .ms = milliseconds() }));
}

TEST_HARNESS_MAIN
