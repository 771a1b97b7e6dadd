// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Stacks that move under running code. Built by greencc; run as it is, and by
 * moves.sh with a move in every runtime call, and with adjustments left out.
 */
#include <errno.h>
#include <green.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alone.h"
#include "child.h"
#include "kselftest_harness.h"
#include "moved.h"

#define NOINLINE __attribute__((noinline))

/* The whole array has to be in memory. */
#define KEEP(array) __asm__ volatile("" : "+m"(array))

/* ---- the seed's case -------------------------------------------------- */

static void set(int *p, int x)
{
	*p = x;
}

static void check_42(int *y, int *result)
{
	*result = *y == 42;
}

static void NOINLINE defer_pointers(int *result)
{
	int y = 0;

	{
		GREEN_SCOPE;
		green_defer(check_42, &y, result);
		green_defer(set, &y, 42);
		move_me(256 << 10);
	}
}

static void defer_pointers_thread(void *arg)
{
	defer_pointers(arg);
}

/* Go's TestDeferPtrs: an argument that points at a local sees the new local. */
TEST(a_defers_argument_points_at_the_local_after_growth)
{
	int result = 0;

	EXPECT_EQ(0, run_thread(defer_pointers_thread, &result));
	EXPECT_EQ(1, result);
	EXPECT_EQ(1, moved);
	EXPECT_EQ(0, refused);
}

/* ---- frames ----------------------------------------------------------- */

static long NOINLINE sum_down(long n, long *total)
{
	long mine = n, *p = &mine;

	if (n % 4 == 0)
		move_me(0);
	if (n)
		sum_down(n - 1, total);
	if (n % 4 == 1)
		move_me(0);
	*total += *p;
	return *p;
}

static void recursion(void *arg)
{
	long total = 0, i;

	for (i = 0; i < 5; i++)
		sum_down(100, &total);
	*(long *)arg = total;
}

TEST(pointers_to_locals_up_and_down_a_recursion)
{
	long total = 0;

	EXPECT_EQ(0, run_thread(recursion, &total));
	EXPECT_EQ(5 * 5050, total);
	EXPECT_EQ(5 * (26 + 25), moved);
	EXPECT_EQ(0, refused);
}

struct node {
	struct node *next;
	long value;
};

static long NOINLINE walk(const struct node *head)
{
	long sum = 0;

	for (; head; head = head->next) {
		sum += head->value;
		if (head->value % 10 == 0)
			move_me(0);
	}
	return sum;
}

static long NOINLINE list_down(const struct node *head, long n)
{
	struct node node = { (struct node *)head, n };

	if (!n)
		return walk(&node);
	return list_down(&node, n - 1);
}

static void list(void *arg)
{
	*(long *)arg = list_down(NULL, 200);
}

TEST(a_list_through_all_frames)
{
	long sum = 0;

	EXPECT_EQ(0, run_thread(list, &sum));
	EXPECT_EQ(200 * 201 / 2, sum);
	EXPECT_EQ(0, refused);
}

struct self {
	struct self *self;
	int *member;
	int value;
	char text[20];
};

static int NOINLINE check_self(struct self *s, struct self *t)
{
	return s->self == s && s->member == &s->value && t->self == s &&
	       t->member == &s->value && !strcmp(s->text, "hello") &&
	       *t->member == 77;
}

static void self_pointers(void *arg)
{
	struct self a = { &a, &a.value, 77, "hello" }, b = a;
	int i, good = 0;

	for (i = 0; i < 100; i++) {
		move_me(0);
		good += check_self(&a, &b);
	}
	*(int *)arg = good;
}

TEST(structs_that_point_at_themselves)
{
	int good = 0;

	EXPECT_EQ(0, run_thread(self_pointers, &good));
	EXPECT_EQ(100, good);
	EXPECT_EQ(100, moved);
}

static void walking_pointers(void *arg)
{
	int numbers[64], *p, *end = numbers + 64, i = 0;
	long sum = 0;

	for (p = numbers; p < end; p++)
		*p = i++;
	for (p = numbers; p < end; p++) {
		move_me(0);
		sum += *p;
	}
	while (p > numbers) {
		move_me(0);
		sum += *--p;
	}
	*(long *)arg = sum;
}

TEST(pointers_that_walk_an_array)
{
	long sum = 0;

	EXPECT_EQ(0, run_thread(walking_pointers, &sum));
	EXPECT_EQ(2 * 2016, sum);
	EXPECT_EQ(128, moved);
}

static void over_aligned(void *arg)
{
	_Alignas(64) char line[64];
	char *p = line;
	int i, good = 0;

	for (i = 0; i < 20; i++) {
		memset(p, i, sizeof(line));
		move_me(0);
		good += (uintptr_t)p % 64 == 0 && p[63] == i;
	}
	*(int *)arg = good;
}

TEST(over_aligned_locals_stay_aligned)
{
	int good = 0;

	EXPECT_EQ(0, run_thread(over_aligned, &good));
	EXPECT_EQ(20, good);
}

/* ---- growth by entry checks ------------------------------------------- */

static long NOINLINE deep(long n, const long *above)
{
	long here[4] = { n, *above };

	KEEP(here);

	if (!n)
		return 0;
	return 1 + deep(n - 1, here) + (here[1] != *above);
}

static void deep_thread(void *arg)
{
	struct green_stack_info info;
	long zero = 20001;

	*(long *)arg = deep(20000, &zero);
	green_stack_info(green_self(), &info);
	((long *)arg)[1] = info.hi - info.lo;
	((long *)arg)[2] = info.moves;
}

TEST(a_deep_recursion_grows_its_stack)
{
	long r[3] = { 0 };

	EXPECT_EQ(0, run_thread(deep_thread, r));
	EXPECT_EQ(20000, r[0]);
	EXPECT_LT(1 << 20, r[1]);
	EXPECT_LE(4, r[2]);
}

/* A test secures a small frame, and those of local functions that have none then. */
static bool near_limit(void)
{
	int good;

	__asm__ volatile("movq %%fs:112, %%rax\n\tsubq $256, %%rax\n\tcmpq %%rsp, %%rax\n\t"
			 "setbe %b0\n\tmovzbl %b0, %0" : "=q"(good) : : "rax", "cc", "memory");
	return good;
}

static bool NOINLINE first_of_circle(int n);

/* Three of these are too much for one test, two are not. */
static bool NOINLINE third_of_circle(int n)
{
	long some[12] = { n };
	bool good = near_limit();

	KEEP(some);
	good &= n <= 0 || first_of_circle(n - 1);
	return good && some[0] == n;
}

static bool NOINLINE second_of_circle(int n)
{
	long some[10] = { n };
	bool good = near_limit();

	KEEP(some);
	good &= third_of_circle(n - 1);
	return good && some[0] == n;
}

static bool NOINLINE first_of_circle(int n)
{
	long some[11] = { n };
	bool good = near_limit();

	KEEP(some);
	good &= second_of_circle(n - 1);
	return good && some[0] == n;
}

static void circle_thread(void *arg)
{
	*(bool *)arg = first_of_circle(5000);
}

TEST(local_functions_in_a_circle_find_their_stack)
{
	bool good = false;

	EXPECT_EQ(0, run_thread(circle_thread, &good));
	EXPECT_TRUE(good);
}

/* ---- other threads' stacks -------------------------------------------- */

static void NOINLINE parked_body(long *result)
{
	long local = 1, *p = &local;
	int i;

	for (i = 0; i < 100; i++) {
		green_yield();
		*p += 1;
	}
	*result = local;
}

static void parked(void *arg)
{
	parked_body(arg);
}

static int move_parked(void *arg)
{
	long *result = arg;
	green_t *t[4];
	int i, n, err = 0;

	for (n = 0; n < 4; n++)
		t[n] = green_go(parked, &result[n]);
	/* They have not begun: that moves too. */
	for (n = 0; n < 4; n++)
		err |= green_stack_move(t[n], 0, NULL);
	for (i = 0; i < 50; i++) {
		green_yield();
		for (n = 0; n < 4; n++)
			err |= green_stack_move(t[n], (i % 2 ? 128 : 64) << 10, NULL);
	}
	for (n = 0; n < 4; n++)
		err |= green_join(t[n]);
	return err;
}

TEST(parked_threads_are_moved_by_another)
{
	long result[4] = { 0 };
	int n;

	EXPECT_EQ(0, green_run(&alone, move_parked, result));
	for (n = 0; n < 4; n++)
		EXPECT_EQ(101, result[n]);
}

/* ---- old and new ------------------------------------------------------ */

static uintptr_t old_top;

static void touch_old(void *arg)
{
	struct green_stack_info info;

	green_stack_info(green_self(), &info);
	old_top = info.hi - 64;
	move_me(0);
	*(volatile char *)old_top;
}

TEST_SIGNAL(the_old_stack_is_gone, SIGSEGV)
{
	setenv("GREEN_DEBUG", "seal", 1);
	run_thread(touch_old, NULL);
}

static void NOINLINE with_hole(void *arg)
{
	char big[200 << 10];
	long *r = arg;

	/* Only its ends are touched; between them there are no pages. */
	KEEP(big);
	big[0] = 'a';
	big[sizeof(big) - 1] = 'z';
	move_me(512 << 10);
	KEEP(big);
	r[0] = big[0] == 'a' && big[sizeof(big) - 1] == 'z';
}

TEST(untouched_pages_in_the_middle)
{
	long r[1] = { 0 };

	EXPECT_EQ(0, run_thread(with_hole, r));
	EXPECT_EQ(1, r[0]);
	EXPECT_LE(1, moved);
}

static void bad_sizes(void *arg)
{
	struct green_nomove why = { GREEN_NOMOVE_IO, NULL, "" };
	char big[100 << 10];
	int *r = arg;

	KEEP(big);
	big[0] = 1;
	big[sizeof(big) - 1] = 1;
	r[0] = green_stack_move(green_self(), 64 << 10, &why);
	r[1] = green_stack_move(green_self(), 1UL << 40, &why);
	r[2] = why.reason;
	KEEP(big);
	r[3] = big[0];
}

TEST(a_size_that_cannot_be)
{
	int r[4] = { 0 };

	EXPECT_EQ(0, run_thread(bad_sizes, r));
	EXPECT_EQ(-ENOSPC, r[0]);
	EXPECT_EQ(-ENOSPC, r[1]);
	EXPECT_EQ(GREEN_NOMOVE_IO, r[2]);
}

/* ---- overflow --------------------------------------------------------- */

static long NOINLINE for_ever(long n)
{
	volatile char room[1000];

	room[n % 1000] = 1;
	return n < 0 ? 0 : for_ever(n + 1) + room[n % 1000];
}

static void overflow(void *arg)
{
	*(long *)arg = for_ever(0);
}

static int *kept;

static void NOINLINE large_frame(volatile char *fill)
{
	char big[24 << 10];

	KEEP(big);
	memset(big + (8 << 10), *fill, 400);
	KEEP(big);
}

/* Its stack may not grow, and the frame is larger than what is left of it. */
static void jump_over(void *arg)
{
	int local = 1;
	char fill = 1;

	kept = &local;
	large_frame(&fill);
	kept = NULL;
}

static int start_small(void *arg)
{
	static const struct green_attr small = { .name = "small", .stack_size = 16 << 10 };

	return green_join(green_go_opt(&small, jump_over, arg));
}

struct run {
	const struct green_options *opt;
	int (*fn)(void *);
	void *arg;
};

static int runs(void *arg)
{
	struct run *r = arg;

	return green_run(r->opt, r->fn, r->arg);
}

TEST(a_stack_that_is_full_ends_the_process_with_one_line)
{
	struct go g = { overflow, malloc(sizeof(long)) };

	EXPECT_TRUE(is_abort(child(runs, &(struct run){ &alone, go_and_join, &g })));
	EXPECT_STREQ("green: thread 2 (unnamed): its stack of 16773120 bytes is full: it has "
		     "reached max_stack\n", said);
}

TEST(a_large_frame_does_not_jump_over_the_seal)
{
	static const struct green_options tight = {
		ALONE,
		.stack_size = 16 << 10, .max_stack = 40 << 10,
	};

	EXPECT_TRUE(is_abort(child(runs, &(struct run){ &tight, start_small, NULL })));
	EXPECT_STREQ("green: thread 2 (small): its stack of 12288 bytes is full: it has reached "
		     "max_stack\n", said);
}

/* ---- structs by value ----------------------------------------------------- */

struct by_value {
	long *count;
	long pad[5];
};

static int miscounted;

static void NOINLINE counts(struct by_value v, long n)
{
	long mine = 0;
	volatile char room[500];

	room[n % 500] = 1;
	++*v.count;
	if (!n)
		return;
	counts((struct by_value){ .count = &mine }, n - 1);
	miscounted += mine != room[n % 500];
}

static void count_down(void *arg)
{
	counts((struct by_value){ .count = arg }, 2000);
}

static int go_counting(void *arg)
{
	static const struct green_attr small = { .stack_size = 16 << 10 };

	return green_join(green_go_opt(&small, count_down, arg));
}

TEST(structs_by_value_that_point_into_the_stack)
{
	long top = 0;

	miscounted = 0;
	EXPECT_EQ(0, green_run(&alone, go_counting, &top));
	EXPECT_EQ(1, top);
	EXPECT_EQ(0, miscounted);
}

TEST_HARNESS_MAIN
