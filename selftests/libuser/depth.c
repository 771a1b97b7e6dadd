// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * How deep a stack is: depth addresses over moves and segments, and programs that ask
 * for it by addresses. greencc builds this at -O0 and -O2. A level of a recursion
 * takes the same number of bytes each time, so that its depth addresses are at equal
 * distances, or something is wrong.
 */
#include <errno.h>
#include <green.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "alone.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define KEEP(x) __asm__ volatile("" : "+m"(x))

#define LEVELS 400
#define MOVES_EACH 16		/* levels to a forced move */
#define PINS_EACH 100		/* ... to a frame that stays, if there are such */

static int *kept;
static uintptr_t at[LEVELS];
static size_t depth[LEVELS];
static struct green_stats stats;
static void (*body)(void);
static bool pins;

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
	pins = how;
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
	return green_run(&alone, go, &way);
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
	if (pins && n % PINS_EACH == PINS_EACH / 2) {
		kept = (int *)here;
		KEEP(kept);
	}
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
	EXPECT_LE(LEVELS / PINS_EACH - 1, stats.segments);
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

/* ---- what programs do ------------------------------------------------------ */

#define LIMIT (100 << 10)	/* bytes that they let themselves have */
#define FAR_DOWN 100000		/* levels: none gets there */

static struct {
	int level;
	size_t used;
} stop;

/* One idiom each: sets its base, and asks whether the stack is full. */
struct idiom {
	void (*begin)(void);
	bool (*full)(void);
};

static const struct idiom *idiom;

static void NOINLINE descend(int n)
{
	char room[200];

	KEEP(room);
	if (pins && n % PINS_EACH == PINS_EACH / 2) {
		kept = (int *)room;
		KEEP(kept);
	}
	if (n % MOVES_EACH == 0)
		green_stack_move(green_self(), 0, NULL);
	if (idiom->full() || n == FAR_DOWN) {
		stop.level = n;
		stop.used = green_stack_depth();
		return;
	}
	descend(n + 1);
	KEEP(room);
}

static void measured(void)
{
	idiom->begin();
	descend(0);
	/* It comes to the same the second time, on stacks as large as they are now. */
	at[0] = stop.level;
	descend(0);
	at[1] = stop.level;
}

/* Full is the stack at the limit, not a level earlier or two later. */
static bool stops_at_limit(const struct idiom *i, struct way way)
{
	idiom = i;
	memset(&stop, 0, sizeof(stop));
	if (run(measured, way))
		return false;
	return stop.used > LIMIT - 2000 && stop.used < LIMIT + 2000 && at[0] == at[1];
}

#define IS_RIGHT(name)								\
	static const struct idiom name##_idiom = { name##_begin, name##_full };	\
	TEST(name)								\
	{									\
		EXPECT_TRUE(stops_at_limit(&name##_idiom, roomy));		\
		EXPECT_TRUE(stops_at_limit(&name##_idiom, grows));		\
		if (UNFORCED)							\
			EXPECT_EQ(0, stats.segments);				\
		EXPECT_LE(8, MOVES);						\
		EXPECT_TRUE(stops_at_limit(&name##_idiom, segments));		\
		EXPECT_LE(LIMIT / 1000 / PINS_EACH, stats.segments);		\
	}

/* Forced moves are refused now and then, where a segment will do. */
#define UNFORCED (!getenv("GREEN_DEBUG"))

/* Integers in the heap, made of the frame's address: QuickJS. */
struct context {
	size_t stack_size;
	uintptr_t stack_top, stack_limit;
};

static struct context *context;

static inline uintptr_t stack_pointer(void)
{
	return (uintptr_t)__builtin_frame_address(0);
}

static void NOINLINE set_top(struct context *c)
{
	c->stack_top = stack_pointer();
	c->stack_limit = c->stack_size ? c->stack_top - c->stack_size : 0;
}

static void integers_in_the_heap_begin(void)
{
	free(context);
	context = calloc(1, sizeof(*context));
	if (!context)
		abort();
	context->stack_size = LIMIT;
	set_top(context);
}

static bool NOINLINE integers_in_the_heap_full(void)
{
	uintptr_t sp = stack_pointer() - 64;

	return sp < context->stack_limit;
}

IS_RIGHT(integers_in_the_heap)

/* A function that returns it, and limits that are rounded: CPython. */
struct bounds {
	uintptr_t top, soft, hard;
};

struct bounds bounds;

uintptr_t machine_stack_pointer(void);
uintptr_t machine_stack_pointer(void)
{
	return (uintptr_t)__builtin_frame_address(0);
}

static void a_rounded_limit_begin(void)
{
	bounds.top = (machine_stack_pointer() + 1023) & ~1023UL;
	bounds.soft = bounds.top - LIMIT;
	bounds.hard = bounds.soft - 8192;
}

static bool NOINLINE a_rounded_limit_full(void)
{
	uintptr_t here = machine_stack_pointer();

	return here < bounds.soft && here > bounds.hard;
}

IS_RIGHT(a_rounded_limit)

/* A static base that can be set anew, and a local that is nothing but a place: PostgreSQL. */
static char *base_pointer;
static ssize_t most_bytes = LIMIT;

char *set_base(void);
void restore_base(char *base);
char *set_base(void)
{
	char *old = base_pointer;

	base_pointer = __builtin_frame_address(0);
	return old;
}

void restore_base(char *base)
{
	base_pointer = base;
}

static void a_static_base_begin(void)
{
	char *old = set_base(), *new = base_pointer;

	restore_base(old);
	restore_base(new);
}

static bool NOINLINE a_static_base_full(void)
{
	char top;
	ssize_t depth = (ssize_t)(base_pointer - &top);

	if (depth < 0)
		depth = -depth;
	return depth > most_bytes && base_pointer != NULL;
}

IS_RIGHT(a_static_base)

/* The same with locals only, which are in use. */
static char *bottom;

static void NOINLINE locals_that_are_used_begin(void)
{
	char here[40];

	memset(here, 1, sizeof(here));
	bottom = here;
	KEEP(here);
}

static bool NOINLINE locals_that_are_used_full(void)
{
	char here[40];
	long distance = bottom - here;

	memset(here, 2, sizeof(here));
	KEEP(here);
	return labs(distance) > LIMIT;
}

IS_RIGHT(locals_that_are_used)

/* A limit, by pointers and functions that are seen here. */
static volatile char *lowest;

static void set_lowest(volatile char *from, size_t size)
{
	lowest = from - size;
}

static bool NOINLINE is_lower(volatile char *here)
{
	return here < lowest;
}

static void NOINLINE a_static_limit_begin(void)
{
	volatile char here;

	set_lowest(&here, (size_t)most_bytes);
}

static bool NOINLINE a_static_limit_full(void)
{
	volatile char here;

	return is_lower(&here);
}

IS_RIGHT(a_static_limit)

/* By integers, with the frame of one and a local of the other. */
static uintptr_t edge;

static void NOINLINE a_static_integer_begin(void)
{
	uintptr_t top = (uintptr_t)__builtin_frame_address(0);

	edge = top ? top - LIMIT : 0;
}

static bool NOINLINE a_static_integer_full(void)
{
	int mark = 0;
	bool full = (uintptr_t)&mark <= edge;

	KEEP(mark);
	return full;
}

IS_RIGHT(a_static_integer)

/* ---- what stays an address -------------------------------------------------- */

/* In a buffer, what points there is measured and read. */
static long NOINLINE in_a_buffer(void)
{
	char buffer[64], *end = buffer + sizeof(buffer), *p;
	long sum = 0;

	memset(buffer, 1, sizeof(buffer));
	for (p = buffer; p < end; p++) {
		sum += *p * (p - buffer);
		if (p - buffer == 32)
			green_stack_move(green_self(), 0, NULL);
	}
	return sum;
}

/* Reads what is saved there. */
static bool NOINLINE read_through_frame(void)
{
	void **frame = __builtin_frame_address(0);
	struct green_nomove why;
	int err = green_stack_move(green_self(), 0, &why);

	return frame[0] && (uintptr_t)frame >> 47 == 0 && err == -EBUSY;
}

static void addresses(void)
{
	depth[0] = in_a_buffer();
	depth[1] = read_through_frame();
}

TEST(what_is_read_through_stays_an_address)
{
	ASSERT_EQ(0, run(addresses, grows));
	EXPECT_EQ(63 * 64 / 2, depth[0]);
	EXPECT_EQ(1, depth[1]);
	EXPECT_LE(1, MOVES);
}

TEST_HARNESS_MAIN
