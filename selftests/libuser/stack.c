// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What becomes of stacks: caches, idle ones, frame pointers. Built by greencc. */
#include <green.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alone.h"
#include "foreign.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define KEEP(array) __asm__ volatile("" : "+m"(array))

/* Takes @bytes of stack in small frames. */
static long NOINLINE take(long bytes, long *up)
{
	long here[64] = { bytes };

	KEEP(here);
	if (bytes <= 0)
		return *up;
	return take(bytes - 600, here) + here[0] - *up;
}

static long taken(long bytes)
{
	long top = 0;

	return take(bytes, &top);
}

static size_t resident(void)
{
	unsigned long size = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * 4096;
}

/* ---- memory that is given back ---------------------------------------- */

static struct {
	size_t before, after;
	long sum;
} memory;

static void takes_a_megabyte(void *arg)
{
	*(long *)arg += taken(1 << 20) >= 0;
}

static int hundreds_of_megabytes(void *arg)
{
	static long sum;

	memory.before = resident();
	for (int i = 0; i < 300; i++)
		green_join(green_go(takes_a_megabyte, &sum));
	memory.after = resident();
	memory.sum = sum;
	return 0;
}

TEST(memory_of_large_stacks_is_given_back)
{
	EXPECT_EQ(0, green_run(&alone, hundreds_of_megabytes, NULL));
	EXPECT_EQ(300, memory.sum);
	EXPECT_GE(64 << 20, memory.after - memory.before);
}

static int at_the_same_time(void *arg)
{
	static green_t *t[100];
	static long sum;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 100; i++)
			t[i] = green_go(takes_a_megabyte, &sum);
		for (int i = 0; i < 100; i++)
			green_join(t[i]);
	}
	memory.sum = sum;
	return 0;
}

TEST(caches_under_a_hundred_growing_threads)
{
	EXPECT_EQ(0, green_run(&alone, at_the_same_time, NULL));
	EXPECT_EQ(2000, memory.sum);
}

/* ---- idle stacks -------------------------------------------------------- */

static struct {
	green_t *t;
	size_t large, small;
	int wait[2];
	long sum;
	struct green_stats stats;
} idle;

static void NOINLINE is_idle(long *p)
{
	/* One wait: what wakes up is not idle. */
	green_poll(idle.wait[0], POLLIN);
	idle.sum = *p;
}

/* Threads are looked at once a second, and it takes two looks. */
static void look_around(void)
{
	for (int i = 0; i < 260; i++)
		green_sleep_ns(10000000);
}

static void wake_all(void)
{
	if (write(idle.wait[1], "", 1) != 1)
		abort();
}

static void large_once(void *arg)
{
	struct green_stack_info info;
	long local = 77, *p = &local;

	taken(500 << 10);
	green_stack_info(green_self(), &info);
	idle.large = info.hi - info.lo;
	is_idle(p);
}

struct idler {
	void (*fn)(void *);
};

static int looks_at(void *arg)
{
	struct green_stack_info info = { 0 };

	idle.t = green_go(((struct idler *)arg)->fn, NULL);
	look_around();
	green_stack_info(idle.t, &info);
	idle.small = info.hi - info.lo;
	wake_all();
	green_join(idle.t);
	return green_stats(&idle.stats);
}

TEST(an_idle_stack_shrinks)
{
	memset(&idle, 0, sizeof(idle));
	ASSERT_EQ(0, pipe(idle.wait));
	EXPECT_EQ(0, green_run(&alone, looks_at, &(struct idler){ large_once }));
	EXPECT_LT(500 << 10, idle.large);
	EXPECT_GE(64 << 10, idle.small);
	EXPECT_EQ(77, idle.sum);
	EXPECT_EQ(1, idle.stats.shrunk);
}

static void NOINLINE pinned_and_idle(void)
{
	struct green_stack_info info;

	taken(500 << 10);
	green_stack_info(green_self(), &info);
	idle.large = info.hi - info.lo;
	green_pin();
	green_poll(idle.wait[0], POLLIN);
	green_unpin();
}

static void large_and_pinned(void *arg)
{
	pinned_and_idle();
}

TEST(a_pinned_idle_stack_does_not)
{
	memset(&idle, 0, sizeof(idle));
	ASSERT_EQ(0, pipe(idle.wait));
	EXPECT_EQ(0, green_run(&alone, looks_at, &(struct idler){ large_and_pinned }));
	EXPECT_EQ(idle.large, idle.small);
	EXPECT_EQ(0, idle.stats.shrunk);
	EXPECT_EQ(0, idle.stats.refused[GREEN_NOMOVE_PINNED]);
}

#define IDLE 50

static size_t before_trim, after_trim;

static void idles_in_foreign_code(void *arg)
{
	foreign_takes(200 << 10);
	green_poll(idle.wait[0], POLLIN);
	idle.sum += foreign_takes(1 << 10);
}

static void starts_foreign(void *arg)
{
	foreign_call(idles_in_foreign_code, NULL);
}

static int looks_at_foreign(void *arg)
{
	static const struct green_attr attr = { .stack_size = 256 << 10 };
	green_t *t[IDLE];

	for (int i = 0; i < IDLE; i++)
		t[i] = green_go_opt(&attr, starts_foreign, NULL);
	green_sleep_ns(50000000);
	before_trim = resident();
	look_around();
	after_trim = resident();
	wake_all();
	for (int i = 0; i < IDLE; i++)
		green_join(t[i]);
	return green_stats(&idle.stats);
}

TEST(an_idle_stack_of_foreign_code_gives_pages_back)
{
	memset(&idle, 0, sizeof(idle));
	ASSERT_EQ(0, pipe(idle.wait));
	EXPECT_EQ(0, green_run(&alone, looks_at_foreign, NULL));
	EXPECT_EQ(IDLE, idle.sum);
	EXPECT_EQ(IDLE, idle.stats.trimmed);
	/* 200 KiB each; old kernels count resident pages in batches. */
	EXPECT_LE(IDLE * (150L << 10), (long)(before_trim - after_trim));
}

/* ---- small stacks -------------------------------------------------------- */

#define SMALL 200

static struct {
	uintptr_t lo[SMALL], hi[SMALL];
	bool go;
	long sum;
	size_t before, during, after;
} small;

static void is_small(void *arg)
{
	struct green_stack_info info;
	long i = (long)(intptr_t)arg, top = i;

	green_stack_info(green_self(), &info);
	small.lo[i] = info.lo;
	small.hi[i] = info.hi;
	while (!small.go)
		green_yield();
	small.sum += take(3000 * (i % 8), &top) >= 0 ? top : -1000000;
}

static int many_small(void *arg)
{
	static const struct green_attr attr = { .stack_size = 2048 };
	green_t *t[SMALL];

	for (long i = 0; i < SMALL; i++)
		t[i] = green_go_opt(&attr, is_small, (void *)i);
	for (int i = 0; i < 3; i++)
		green_yield();
	small.go = true;
	for (int i = 0; i < SMALL; i++)
		green_join(t[i]);
	return 0;
}

TEST(small_stacks_are_packed_and_grow)
{
	int neighbours = 0;

	memset(&small, 0, sizeof(small));
	EXPECT_EQ(0, green_run(&alone, many_small, NULL));
	EXPECT_EQ(SMALL * (SMALL - 1) / 2, small.sum);
	for (int i = 0; i < SMALL; i++) {
		EXPECT_EQ(2048, small.hi[i] - small.lo[i]);
		for (int j = 0; j < SMALL; j++) {
			neighbours += small.hi[i] == small.lo[j];
			EXPECT_TRUE(i == j || small.lo[i] >= small.hi[j] ||
				    small.hi[i] <= small.lo[j]);
		}
	}
	EXPECT_LE(SMALL / 2, neighbours);
}

static struct green_stack_info untested[2];

static int small_for_untested(void *arg)
{
	static const struct green_attr attr = { .stack_size = 2048 };

	green_join(green_go_opt(&attr, foreign_stack_info, &untested[0]));
	return green_join(green_go_opt(&attr, untested_stack_info, &untested[1]));
}

TEST(a_small_stack_of_code_that_tests_nothing_has_a_seal)
{
	EXPECT_EQ(0, green_run(&alone, small_for_untested, NULL));
	EXPECT_EQ((16 << 10) - 4096, untested[0].hi - untested[0].lo);
	EXPECT_EQ((16 << 10) - 4096, untested[1].hi - untested[1].lo);
}

#define CROWD 20000

static void waits_for_all(void *arg)
{
	while (!small.go)
		green_yield();
	small.sum++;
}

static int crowd(void *arg)
{
	static const struct green_attr attr = { .stack_size = 8192 };
	static green_t *t[CROWD];

	small.before = resident();
	for (int i = 0; i < CROWD; i++)
		t[i] = green_go_opt(&attr, waits_for_all, NULL);
	green_yield();
	small.during = resident();
	small.go = true;
	for (int i = 0; i < CROWD; i++)
		green_join(t[i]);
	/* After some passes, or the test hangs. */
	do {
		green_sleep_ns(50000000);
		small.after = resident();
	} while ((long)(small.during - small.after) < CROWD * 4096L * 8 / 10);
	return 0;
}

TEST(slabs_without_a_thread_give_their_pages_back)
{
	memset(&small, 0, sizeof(small));
	EXPECT_EQ(0, green_run(&alone, crowd, NULL));
	EXPECT_EQ(CROWD, small.sum);
	/* A page each, more or less. */
	EXPECT_LE(CROWD * 4096L * 9 / 10, (long)(small.during - small.before));
}

/* ---- frame pointers ------------------------------------------------------ */

static int chain[2];

static long NOINLINE walks(long n, long *up)
{
	long here[4] = { n };

	KEEP(here);
	if (n)
		return walks(n - 1, here) + *up;
	chain[0] = foreign_frames();
	if (green_stack_move(green_self(), 0, NULL))
		return -1000;
	chain[1] = foreign_frames();
	return 0;
}

static void frames(void *arg)
{
	/* By a call, and not by a jump. */
	if (walks(30, arg) < 0)
		chain[1] = -1;
}

static int go_frames(void *arg)
{
	static long zero;

	return green_join(green_go(frames, &zero));
}

TEST(frame_pointers_lead_to_the_first_frame_after_a_move)
{
	static const struct green_options opt = { ALONE, .stack_size = 1 << 20 };

	EXPECT_EQ(0, green_run(&opt, go_frames, NULL));
	/* foreign_frames(), 31 walks(), frames(). */
	EXPECT_EQ(33, chain[0]);
	EXPECT_EQ(33, chain[1]);
}

/* ---- core files ----------------------------------------------------------- */

static struct {
	size_t dumped;			/* bytes of address space */
	bool stack;
	struct green_stats stats;
} core;

/* What the kernel would write of this process. */
static int core_size(void *arg)
{
	unsigned long lo = 0, hi = 0, here = (unsigned long)__builtin_frame_address(0);
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long a, b;

		if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
			lo = a;
			hi = b;
		} else if (!strncmp(line, "VmFlags:", 8) && !strstr(line, " dd")) {
			core.dumped += hi - lo;
			core.stack |= here >= lo && here < hi;
		}
	}
	if (f)
		fclose(f);
	return green_stats(&core.stats);
}

TEST(core_files_have_stacks_but_not_the_whole_arena)
{
	EXPECT_EQ(0, green_run(&alone, core_size, NULL));
	EXPECT_LT(0, core.dumped);
	EXPECT_GT(256L << 20, core.dumped);
	/* The module's pages are in none. */
	EXPECT_EQ(!strcmp(core.stats.backend, "user"), core.stack);
}

/* ---- a stale address ------------------------------------------------------ */

static unsigned int stale;
static volatile long hidden;
static char *volatile elsewhere = (char *)&hidden;

static void NOINLINE reads_stale(void)
{
	volatile unsigned int local = 1;

	hidden = (char *)&local - elsewhere;
	if (!green_stack_move(green_self(), 0, NULL))
		stale = *(volatile unsigned int *)(elsewhere + hidden);
}

static void poisoned(void *arg)
{
	reads_stale();
}

static int go_poisoned(void *arg)
{
	return green_join(green_go(poisoned, NULL));
}

TEST(a_stale_address_reads_poison)
{
	setenv("GREEN_DEBUG", "poison", 1);
	EXPECT_EQ(0, green_run(&alone, go_poisoned, NULL));
	EXPECT_EQ(0x67676767, stale);
}

/* ---- large closures ------------------------------------------------------- */

struct large {
	struct green_closure closure;
	long *at;
	char room[5000];
	long value;
};

static long closed;

static void close_large(struct green_closure *c)
{
	struct large *l = (struct large *)c;

	closed += l->value + *l->at;
}

static long NOINLINE defers_large(long n)
{
	GREEN_SCOPE;
	struct large l = { .closure = { close_large, sizeof(l) }, .value = n };
	long here = 1000;

	KEEP(l.room);
	l.at = &here;
	green_defer_closure(&l.closure);
	if (n)
		return defers_large(n - 1);
	return closed;
}

static int go_large(void *arg)
{
	return (int)defers_large(100);
}

TEST(closures_of_5000_bytes_at_100_depths)
{
	closed = 0;
	EXPECT_EQ(0, green_run(&alone, go_large, NULL));
	EXPECT_EQ(5050 + 101 * 1000, closed);
}

TEST_HARNESS_MAIN
