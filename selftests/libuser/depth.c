// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * How deep a stack is: depth addresses over moves and segments. greencc builds this at
 * -O0 and -O2. A level of a recursion takes the same number of bytes each time, so
 * that its depth addresses are at equal distances, or something is wrong.
 */
#include <green.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define KEEP(x) __asm__ volatile("" : "+m"(x))

#define LEVELS 400
#define MOVES_EACH 16		/* levels to a forced move */

static int *kept;
static uintptr_t at[LEVELS];
static size_t depth[LEVELS];
static struct green_stats stats;
static void (*body)(void);

/* ---- how it is run: on which stack --------------------------------------- */

static void NOINLINE pinned(void)
{
	int local = 1;

	kept = &local;
	KEEP(kept);
	body();
	KEEP(local);
}

static void thread(void *how)
{
	if (how)
		pinned();
	else
		body();
}

struct way {
	size_t stack;
	bool pin;
};

static int go(void *arg)
{
	const struct way *way = arg;
	struct green_attr attr = { .stack_size = way->stack };
	int err = green_join(green_go_opt(&attr, thread, (void *)(uintptr_t)way->pin));

	green_stats(&stats);
	return err;
}

static int run(void (*fn)(void), struct way way)
{
	body = fn;
	return green_run(NULL, go, &way);
}

#define MOVES (stats.moves_copy + stats.moves_kernel)

static const struct way grows = { .stack = 1024 }, segments = { 1024, true },
	roomy = { .stack = 1 << 20 };

/* ---- the calls ------------------------------------------------------------ */

static void NOINLINE ask(int n)
{
	char here[300];

	memset(here, n, sizeof(here));
	KEEP(here);
	at[n] = green_stack_depth_address(here);
	depth[n] = green_stack_depth();
	if (n % MOVES_EACH == 0)
		green_stack_move(green_self(), 0, NULL);
	if (at[n] != green_stack_depth_address(here))
		at[n] = 0;
	if (n + 1 < LEVELS)
		ask(n + 1);
	KEEP(here);
}

static void calls(void)
{
	ask(0);
}

/* All distances are that of the first two, and what is newer is lower. */
static bool is_even(void)
{
	uintptr_t step = at[0] - at[1];

	for (int i = 1; i < LEVELS; i++)
		if (at[i - 1] - at[i] != step)
			return false;
	return step > 300 && step < 600;
}

TEST(depth_addresses_are_the_same_over_moves)
{
	ASSERT_EQ(0, run(calls, grows));
	EXPECT_TRUE(is_even());
	EXPECT_LE(LEVELS / MOVES_EACH, MOVES);
	EXPECT_EQ(0, stats.segments);
}

TEST(and_go_on_from_segment_to_segment)
{
	ASSERT_EQ(0, run(calls, segments));
	EXPECT_TRUE(is_even());
	EXPECT_LE(1, stats.segments);
}

TEST(the_depth_is_a_distance_of_them)
{
	ASSERT_EQ(0, run(calls, segments));
	for (int i = 1; i < LEVELS; i++)
		EXPECT_EQ(at[i - 1] - at[i], depth[i] - depth[i - 1]);
	/* The frames of the thread's first functions, and the first level. */
	EXPECT_LT(0, depth[0]);
	EXPECT_GT(2000, depth[0]);
}

/* Each of three segments is in use while the next begins. */
static void NOINLINE nested(void *arg)
{
	int n = (long)arg, local = n;

	at[n] = green_stack_depth_address(&local);
	kept = &local;
	KEEP(kept);
	if (n < 3) {
		char room[50000];

		KEEP(room);
		nested((void *)(long)(n + 1));
		KEEP(room);
	}
	at[n + 4] = green_stack_depth_address(&local);
	KEEP(local);
}

static void nest(void)
{
	nested(NULL);
}

TEST(outer_segments_are_where_they_were)
{
	ASSERT_EQ(0, run(nest, grows));
	EXPECT_LE(2, stats.segments);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(at[i], at[i + 4]);
	for (int i = 1; i < 4; i++) {
		EXPECT_EQ(at[0] - at[1], at[i - 1] - at[i]);
		EXPECT_LT(50000, at[i - 1] - at[i]);
		EXPECT_GT(51000, at[i - 1] - at[i]);
	}
}

static long on_the_heap;

static void elsewhere(void)
{
	at[0] = green_stack_depth_address(&on_the_heap);
	at[1] = green_stack_depth_address(at);
}

TEST(what_is_not_on_the_stack_is_itself)
{
	int local = 0;

	EXPECT_EQ((uintptr_t)&local, green_stack_depth_address(&local));
	EXPECT_EQ(0, green_stack_depth());
	ASSERT_EQ(0, run(elsewhere, roomy));
	EXPECT_EQ((uintptr_t)&on_the_heap, at[0]);
	EXPECT_EQ((uintptr_t)at, at[1]);
}

/* No address is as large, so none is taken for one. */
static void apart(void)
{
	int local = 0;

	at[0] = green_stack_depth_address(&local);
}

TEST(they_are_no_addresses)
{
	ASSERT_EQ(0, run(apart, roomy));
	EXPECT_EQ(1, at[0] >> 47);
}

TEST_HARNESS_MAIN
