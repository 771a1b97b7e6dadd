// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Segments: what a function finds on a new piece of stack, and what is left of
 * it afterwards. Built by greencc; each case pins a frame first, so that the
 * stack may not move as a whole.
 */
#include <errno.h>
#include <green.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define KEEP(array) __asm__ volatile("" : "+m"(array))

static int *kept;
static struct green_stats before, after;
static struct {
	struct green_nomove what;
	uint64_t count;
} kinds[64];
static unsigned int nr_kinds;
static struct {
	void (*fn)(long *);
	long r[8];
} test;

/* Above the limit of entry checks, which is 8 KiB above the end of the stack. */
#define ROOM (9 << 10)

/* Pins its frame, and so the older ones, and leaves ROOM for what it calls. */
static void NOINLINE pinned(void *arg)
{
	static struct green_nomove what;
	struct green_stack_info info;
	int local = 1;

	kept = &local;
	if (green_stack_info(green_self(), &info))
		return;

	char fill[(uintptr_t)__builtin_frame_address(0) - info.lo - ROOM];

	__asm__ volatile("" : : "r"(fill) : "memory");
	green_stats(&before);
	test.fn(test.r);
	green_stats(&after);
	for (nr_kinds = 0; (kinds[nr_kinds].count = green_refusal(nr_kinds, &what));)
		kinds[nr_kinds++].what = what;
	test.r[7] = local;
	kept = NULL;
}

static int go(void *arg)
{
	return green_join(green_go(pinned, NULL));
}

static int run(void (*fn)(long *))
{
	memset(&test, 0, sizeof(test));
	test.fn = fn;
	return green_run(&alone, go, NULL);
}

/* Forced moves make segments where there would be none, and keep none. */
#define UNFORCED (!getenv("GREEN_DEBUG"))

/*
 * Refusals since green_run(), by the name of the function that forbade the move; ~0
 * if the kinds do not add up to the totals.
 */
static uint64_t refused(const char *function)
{
	uint64_t all = 0, sum = 0;

	for (unsigned int i = 0; i < GREEN_NOMOVE_REASONS; i++)
		all += after.refused[i];
	for (unsigned int i = 0; i < nr_kinds; i++) {
		all -= kinds[i].count;
		if (!strcmp(kinds[i].what.function, function))
			sum += kinds[i].count;
	}
	return all ? UINT64_MAX : sum;
}

#define SEGMENTS (after.segments - before.segments)
#define MOVES (after.moves_copy + after.moves_kernel - before.moves_copy - before.moves_kernel)

/* ---- depth ------------------------------------------------------------ */

static long NOINLINE down(long n, long *up)
{
	long here[16] = { n };

	KEEP(here);
	if (!n)
		return *up - 1;
	return down(n - 1, here) + here[0];
}

static void deep(long *r)
{
	long top = 0;

	r[0] = down(10000, &top) - 10000L * 10001 / 2 + 1;
}

TEST(a_recursion_begins_one_segment_that_grows_by_moves)
{
	EXPECT_EQ(0, run(deep));
	EXPECT_EQ(1, test.r[0]);
	EXPECT_EQ(1, test.r[7]);
	if (UNFORCED)
		EXPECT_EQ(1, SEGMENTS);
	EXPECT_LE(4, MOVES);
}

/* ---- the hot border --------------------------------------------------- */

static long NOINLINE leaf(long n, uintptr_t *where)
{
	char room[6000];

	KEEP(room);
	*where = (uintptr_t)room;
	return n;
}

static void loop(long *r)
{
	uintptr_t first = 0, where;

	for (long i = 0; i < 1000; i++) {
		r[0] += leaf(i, &where);
		if (!i)
			first = where;
		r[1] += where != first;
	}
}

TEST(a_call_in_a_loop_has_the_same_segment_each_time)
{
	EXPECT_EQ(0, run(loop));
	EXPECT_EQ(999 * 1000 / 2, test.r[0]);
	if (UNFORCED)
		EXPECT_EQ(0, test.r[1]);
	if (UNFORCED)
		EXPECT_EQ(1000, SEGMENTS);
}

TEST(growth_that_ends_in_a_segment_counts_as_a_refusal)
{
	EXPECT_EQ(0, run(loop));
	if (!UNFORCED)
		return;
	EXPECT_EQ(1000, SEGMENTS);
	/* And one for the array of pinned() itself, which goes on where it is. */
	EXPECT_EQ(1001, refused("pinned"));
}

/* ---- what crosses the border ------------------------------------------ */

struct large {
	long v[12];
};
struct pair {
	long a;
	double b;
};

static struct large NOINLINE returns_large(long n)
{
	struct large l;
	char room[6000];

	KEEP(room);
	for (int i = 0; i < 12; i++)
		l.v[i] = n + i;
	return l;
}

static struct pair NOINLINE returns_pair(long a, double b)
{
	char room[6000];

	KEEP(room);
	return (struct pair){ a + 1, b + 0.5 };
}

static long double NOINLINE returns_x87(double d)
{
	char room[6000];

	KEEP(room);
	return (long double)d * 3;
}

static void results(long *r)
{
	struct large l = returns_large(5);
	struct pair p = returns_pair(7, 1.5);

	for (int i = 0; i < 12; i++)
		r[0] += l.v[i];
	r[1] = p.a;
	r[2] = p.b == 2.0;
	r[3] = returns_x87(1.25) == 3.75L;
}

TEST(results_of_all_kinds_come_back)
{
	EXPECT_EQ(0, run(results));
	EXPECT_EQ(12 * 5 + 66, test.r[0]);
	EXPECT_EQ(8, test.r[1]);
	EXPECT_EQ(1, test.r[2]);
	EXPECT_EQ(1, test.r[3]);
	if (UNFORCED)
		EXPECT_EQ(3, SEGMENTS);
}

static long NOINLINE many(long a, long b, long c, long d, long e, long f, double x,
			  double y, long *g, long h, int *i, short j, long *k)
{
	char room[6000];

	KEEP(room);
	green_yield();
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * *g + 8 * h + 9 * *i +
	       10 * j + 11 * *k + (long)(x * 100) + (long)(y * 1000);
}

static void arguments(long *r)
{
	long g = 1, k = 2;
	int i = 3;

	r[0] = many(1, 2, 3, 4, 5, 6, 0.25, 0.5, &g, 8, &i, 10, &k);
}

TEST(arguments_in_registers_and_on_the_stack)
{
	EXPECT_EQ(0, run(arguments));
	EXPECT_EQ(91 + 7 + 64 + 27 + 100 + 22 + 25 + 500, test.r[0]);
	if (UNFORCED)
		EXPECT_EQ(1, SEGMENTS);
}

typedef float quad __attribute__((vector_size(16)));
typedef double wide __attribute__((vector_size(32)));
struct huge {
	long v[700];
};

static long NOINLINE by_value(struct large l, long a, struct large m, int *p)
{
	char room[6000];

	KEEP(room);
	green_yield();
	return l.v[0] + 2 * l.v[11] + 3 * a + 4 * m.v[5] + 5 * *p;
}

static long NOINLINE odd_ones(__int128 i, long double x, quad q, long a, __int128 j)
{
	char room[6000];

	KEEP(room);
	green_yield();
	return (long)(i >> 64) + 2 * (long)(x * 4) + 3 * (long)q[3] + 4 * a + 5 * (long)j;
}

static void odd_arguments(long *r)
{
	struct large l, m;
	int five = 5;

	for (int i = 0; i < 12; i++) {
		l.v[i] = i + 1;
		m.v[i] = 100 * i;
	}
	r[0] = by_value(l, 7, m, &five);
	r[1] = odd_ones((__int128)3 << 64, 1.25L, (quad){ 1, 2, 3, 4 }, 6, -2);
}

TEST(a_function_that_only_a_segment_helps_counts_as_a_refusal)
{
	EXPECT_EQ(0, run(odd_arguments));
	if (!UNFORCED)
		return;
	EXPECT_EQ(2, SEGMENTS);
	EXPECT_EQ(1, refused("by_value"));
	/* By odd_ones(), and for its array. */
	EXPECT_EQ(2, refused("pinned"));
}

TEST(structs_and_other_odd_arguments)
{
	EXPECT_EQ(0, run(odd_arguments));
	EXPECT_EQ(1 + 24 + 21 + 2000 + 25, test.r[0]);
	EXPECT_EQ(3 + 10 + 12 + 24 - 10, test.r[1]);
	if (UNFORCED)
		EXPECT_EQ(2, SEGMENTS);
}

/* They test nothing: whoever calls them asks for as much as for foreign code. */
static long NOINLINE takes_huge(struct huge h, long *p)
{
	green_yield();
	return h.v[0] + h.v[699] + *p;
}

__attribute__((target("avx"))) static long NOINLINE takes_wide(wide w, long *p)
{
	green_yield();
	return (long)(w[0] + w[3]) + *p;
}

__attribute__((target("avx"))) static long NOINLINE calls_wide(long *p)
{
	return takes_wide((wide){ 1, 2, 3, 4 }, p);
}

__attribute__((preserve_most)) static long NOINLINE keeps_registers(long a, long *p)
{
	green_yield();
	return a + *p;
}

static void NOINLINE untested(long *r)
{
	struct huge h;
	long local = 10;

	memset(&h, 0, sizeof(h));
	h.v[0] = 1;
	h.v[699] = 2;
	r[0] = takes_huge(h, &local);
	r[1] = __builtin_cpu_supports("avx") ? calls_wide(&local) : 15;
	r[2] = keeps_registers(5, &local);
}

TEST(arguments_that_no_test_could_keep)
{
	EXPECT_EQ(0, run(untested));
	EXPECT_EQ(13, test.r[0]);
	EXPECT_EQ(15, test.r[1]);
	EXPECT_EQ(15, test.r[2]);
	/* The caller had a segment with room for them. */
	if (UNFORCED)
		EXPECT_EQ(1, SEGMENTS);
}

/*
 * A function without calls, and so without safepoints, and without locals in
 * memory: but it spills 800 bytes.
 */
#define TEN(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9)
#define TOUCH(i) __asm__ volatile("" : "+r"(v##i##0), "+r"(v##i##1), "+r"(v##i##2),	\
	"+r"(v##i##3), "+r"(v##i##4), "+r"(v##i##5), "+r"(v##i##6), "+r"(v##i##7),	\
	"+r"(v##i##8), "+r"(v##i##9));
#define DECLARE(i) long v##i##0 = a[i], v##i##1 = a[i + 1], v##i##2 = a[i + 2],		\
	v##i##3 = a[i + 3], v##i##4 = a[i + 4], v##i##5 = a[i + 5], v##i##6 = a[i + 6],	\
	v##i##7 = a[i + 7], v##i##8 = a[i + 8], v##i##9 = a[i + 9];			\
	TOUCH(i)
#define ADD(i) TOUCH(i)									\
	sum = sum * 3 + v##i##0 * v##i##9 + v##i##1 * v##i##8 + v##i##2 * v##i##7 +	\
	      v##i##3 * v##i##6 + v##i##4 * v##i##5;

static long NOINLINE spills(const long *a)
{
	long sum = 0;

	TEN(DECLARE)
	TEN(ADD)
	return sum;
}

static long spilt[20];

static long NOINLINE spills_lower(void)
{
	char room[900];

	KEEP(room);
	return spills(spilt);
}

static void leaf_spills(long *r)
{
	r[0] = spills_lower();
}

TEST(spills_of_a_leaf)
{
	for (int i = 0; i < 20; i++)
		spilt[i] = 1000003L * i + 17;
	EXPECT_EQ(0, run(leaf_spills));
	EXPECT_EQ(spills(spilt), test.r[0]);
	if (UNFORCED)
		EXPECT_EQ(1, SEGMENTS);
}

static long NOINLINE array_of(long n, long *up)
{
	long v[n], sum = *up, *p = v;

	KEEP(p);
	for (long i = 0; i < n; i++)
		p[i] = i;
	green_yield();
	for (long i = 0; i < n; i++)
		sum += v[i];
	return sum;
}

static void arrays(long *r)
{
	long one = 1;

	r[0] = array_of(10, &one);
	r[1] = array_of(25000, &one);
}

TEST(arrays_of_variable_size)
{
	EXPECT_EQ(0, run(arrays));
	EXPECT_EQ(46, test.r[0]);
	EXPECT_EQ(25000L * 24999 / 2 + 1, test.r[1]);
	if (UNFORCED)
		EXPECT_EQ(2, SEGMENTS);
}

/* The least that is possible, where what was asked for is not. */
static int arrays_in_64_kib(void *arg)
{
	long one = 1;

	return array_of((long)(intptr_t)arg, &one) != 3000L * 2999 / 2 + 1;
}

TEST(a_guess_that_is_beyond_max_stack)
{
	static const struct green_options tight = { ALONE, .stack_size = 16 << 10,
						    .max_stack = 64 << 10 };

	EXPECT_EQ(0, green_run(&tight, arrays_in_64_kib, (void *)3000));
}

static long NOINLINE variable(int n, ...)
{
	va_list ap;
	long sum = 0;
	char room[6000];

	KEEP(room);
	va_start(ap, n);
	while (n--)
		sum += va_arg(ap, long) + (long)va_arg(ap, double);
	va_end(ap);
	return sum;
}

#define FIVE(x) (x), 1.0, (x) + 1, 2.0, (x) + 2, 3.0, (x) + 3, 4.0, (x) + 4, 5.0

static void varargs(long *r)
{
	r[0] = variable(20, FIVE(1L), FIVE(10L), FIVE(100L), FIVE(1000L));
}

TEST(variable_arguments)
{
	EXPECT_EQ(0, run(varargs));
	EXPECT_EQ(5 * 1111 + 40 + 60, test.r[0]);
	if (UNFORCED)
		EXPECT_EQ(1, SEGMENTS);
}

/* Where such an argument lies among others is told from its address. */
struct aligned32 {
	long a, b, c, d;
} __attribute__((aligned(32)));
struct aligned128 {
	long a, b[15];
} __attribute__((aligned(128)));

static long NOINLINE aligned_variable(int n, ...)
{
	struct aligned128 large;
	struct aligned32 x;
	char room[6000];
	va_list ap;

	KEEP(room);
	va_start(ap, n);
	while (n--)
		va_arg(ap, long);
	x = va_arg(ap, struct aligned32);
	large = va_arg(ap, struct aligned128);
	va_end(ap);
	return x.a + x.d + large.a + large.b[14];
}

static bool NOINLINE aligned_fixed(struct aligned128 large, struct aligned32 x)
{
	char room[6000];

	KEEP(room);
	return !((uintptr_t)&large % 128) && !((uintptr_t)&x % 32) && large.b[14] == 7 && x.d == 4;
}

static void aligned(long *r)
{
	struct aligned128 large = { 1000, { [14] = 7 } };
	struct aligned32 x = { 1, 2, 3, 4 };

	r[0] = aligned_variable(0, x, large);
	r[1] = aligned_variable(6, 0L, 0L, 0L, 0L, 0L, 0L, x, large);
	r[2] = aligned_variable(7, 0L, 0L, 0L, 0L, 0L, 0L, 0L, x, large);
	r[3] = aligned_fixed(large, x);
}

TEST(arguments_that_are_aligned)
{
	EXPECT_EQ(0, run(aligned));
	EXPECT_EQ(1012, test.r[0]);
	EXPECT_EQ(1012, test.r[1]);
	EXPECT_EQ(1012, test.r[2]);
	EXPECT_EQ(1, test.r[3]);
	if (UNFORCED)
		EXPECT_EQ(4, SEGMENTS);
}

static long NOINLINE megabyte(long n)
{
	char room[1 << 20];

	memset(room, n, sizeof(room));
	KEEP(room);
	return room[0] + room[sizeof(room) - 1];
}

static void large_frame(long *r)
{
	r[0] = megabyte(3);
}

TEST(a_frame_of_a_megabyte)
{
	EXPECT_EQ(0, run(large_frame));
	EXPECT_EQ(6, test.r[0]);
	if (UNFORCED)
		EXPECT_EQ(1, SEGMENTS);
}

/* ---- pointers over the border ----------------------------------------- */

struct node {
	long value;
	struct node *next;
};

/* The list of the older frame leads into the newer ones. */
static long NOINLINE push(struct node **list, long n)
{
	struct node node = { n, *list };
	char room[600];
	long sum;

	KEEP(room);
	*list = &node;
	if (n) {
		sum = push(list, n - 1);
	} else {
		sum = 0;
		if (green_stack_move(green_self(), 0, NULL))
			return -1;
		for (struct node *i = *list; i; i = i->next)
			sum += i->value;
	}
	*list = node.next;
	return sum;
}

static void list_of_frames(long *r)
{
	struct node *list = NULL;

	r[0] = push(&list, 100);
	r[1] = list == NULL;
}

TEST(words_of_older_segments_are_adjusted)
{
	EXPECT_EQ(0, run(list_of_frames));
	EXPECT_EQ(5050, test.r[0]);
	EXPECT_EQ(1, test.r[1]);
	EXPECT_LE(2, MOVES);
}

static void NOINLINE pins_too(long n, long *r)
{
	int local = n;
	int *outer = kept;
	char room[6000];

	KEEP(room);
	kept = &local;
	if (n)
		pins_too(n - 1, r);
	r[0] += *kept;
	kept = outer;
}

static void nested(long *r)
{
	pins_too(50, r);
}

TEST(segments_upon_segments)
{
	EXPECT_EQ(0, run(nested));
	EXPECT_EQ(50 * 51 / 2, test.r[0]);
	if (UNFORCED)
		EXPECT_LE(5, SEGMENTS);
}

/* ---- leaving without returning ---------------------------------------- */

static long order;

static void note(long n)
{
	order = order * 10 + n;
}

static void NOINLINE panics(long n)
{
	GREEN_SCOPE;
	char room[6000];

	KEEP(room);
	green_defer(note, n);
	if (n == 3)
		green_panic("at %ld", n);
	panics(n + 1);
}

static void panics_at_1(void *arg)
{
	panics(1);
}

static void catches(long *r)
{
	order = 0;
	for (int i = 0; i < 3; i++) {
		const char *said = green_try(panics_at_1, NULL);

		r[0] += said && said[3] == '3';
	}
	r[1] = order;
}

TEST(a_panic_gives_segments_up)
{
	EXPECT_EQ(0, run(catches));
	EXPECT_EQ(3, test.r[0]);
	EXPECT_EQ(321321321, test.r[1]);
	if (UNFORCED)
		EXPECT_LE(3, SEGMENTS);
}

static void NOINLINE exits(long n)
{
	GREEN_SCOPE;
	char room[6000];

	KEEP(room);
	green_defer(note, n);
	if (n == 4)
		green_exit();
	exits(n + 1);
}

static void exits_at_4(long *r)
{
	order = 0;
	exits(1);
}

TEST(a_thread_ends_on_a_segment)
{
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, run(exits_at_4));
		EXPECT_EQ(4321, order);
	}
}

/* ---- a parked thread --------------------------------------------------- */

static green_t *sleeper;
static volatile bool asleep, awake;

static long NOINLINE sleeps(long *p)
{
	char room[6000];

	KEEP(room);
	asleep = true;
	while (!awake)
		green_yield();
	return *p;
}

static void parks(long *r)
{
	long local = 42;

	r[0] = sleeps(&local);
}

static int move_sleeper(void *arg)
{
	struct green_nomove why;
	int bad = 0;

	sleeper = green_go(pinned, NULL);
	while (!asleep)
		green_yield();
	for (int i = 0; i < 100; i++) {
		bad += green_stack_move(sleeper, 0, &why) != 0;
		green_yield();
	}
	awake = true;
	return green_join(sleeper) ?: bad;
}

TEST(another_thread_moves_the_newest_segment)
{
	memset(&test, 0, sizeof(test));
	test.fn = parks;
	EXPECT_EQ(0, green_run(&alone, move_sleeper, NULL));
	EXPECT_EQ(42, test.r[0]);
	EXPECT_EQ(1, test.r[7]);
	if (UNFORCED)
		EXPECT_EQ(1, SEGMENTS);
	EXPECT_LE(100, MOVES);
}

/* ---- segments that nest ------------------------------------------------- */

/* Room for a few dozen slots, gaps included. */
static const struct green_options small_arena = { ALONE, .arena_size = 96 << 20 };

#define DEPTH 6
#define TURNS 2000

static uintptr_t place[DEPTH];
static long strays;

/* Each frame is held by setjmp(), so that the next one begins a segment. */
static void NOINLINE nests(int n)
{
	char room[300 << 10];
	jmp_buf env;

	__asm__ volatile("" : : "r"(room) : "memory");
	if (setjmp(env))
		return;
	strays += place[n] != (uintptr_t)room;
	place[n] = (uintptr_t)room;
	if (n)
		nests(n - 1);
}

static long faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt;
}

static int nests_in_turns(void *arg)
{
	jmp_buf env;
	long n = 0;

	if (setjmp(env))
		return 1;
	strays = 0;
	for (int i = 0; i < TURNS; i++) {
		if (i == 2) {
			strays = 0;
			n = faults();
		}
		nests(DEPTH - 1);
		/* Others' slots, as it were. */
		if (i % 5 == 0)
			nests(1);
	}
	test.r[0] = faults() - n;
	test.r[1] = strays;
	return 0;
}

TEST(slots_of_nested_segments_serve_again)
{
	ASSERT_EQ(0, green_run(&small_arena, nests_in_turns, NULL));
	if (!UNFORCED)
		return;
	/* No pages are new: the second segment costs no more than the first. */
	EXPECT_GE(TURNS / 10, test.r[0]);
	EXPECT_GE(TURNS, test.r[1]);
}

/* Threads that are at different depths at the same time, and end, and begin. */
static void nests_and_yields(void *arg)
{
	jmp_buf env;
	char room[60 << 10];

	__asm__ volatile("" : : "r"(room) : "memory");
	if (setjmp(env))
		return;
	for (long i = 0; i < 2; i++) {
		if (arg)
			nests_and_yields((void *)((long)arg - 1));
		green_yield();
	}
}

static int many_nest(void *arg)
{
	green_t *t[8] = { NULL };

	for (long i = 0; i < 3000; i++) {
		if (t[i % 8])
			green_join(t[i % 8]);
		t[i % 8] = green_go(nests_and_yields, (void *)(i % 4));
		if (!t[i % 8])
			return -ENOMEM;
	}
	for (int i = 0; i < 8; i++)
		green_join(t[i]);
	return 0;
}

TEST(slots_serve_other_threads_whatever_the_order)
{
	static const struct green_options opt = { ALONE, .arena_size = 64 << 20 };

	EXPECT_EQ(0, green_run(&opt, many_nest, NULL));
}

static long NOINLINE nests_for_ever(long n)
{
	char room[300 << 10];
	jmp_buf env;

	__asm__ volatile("" : : "r"(room) : "memory");
	return setjmp(env) ? 0 : nests_for_ever(n + 1) + room[0];
}

static int fills_the_arena(void *arg)
{
	return nests_for_ever(0);
}

TEST(an_arena_that_is_full_is_named)
{
	static const struct green_options opt = {
		ALONE,
		.arena_size = 32 << 20, .max_stack = 1 << 30,
	};
	char said[400] = "";
	int fd[2], status;

	ASSERT_EQ(0, pipe(fd));
	if (!fork()) {
		dup2(fd[1], STDERR_FILENO);
		_exit(green_run(&opt, fills_the_arena, NULL));
	}
	close(fd[1]);
	while (read(fd[0], said, sizeof(said) - 1) > 0 && !strstr(said, "arena"))
		;
	wait(&status);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	EXPECT_NE(NULL, strstr(said, "is full: the arena has no more room below it (arena_size is 33554432)\n"));
}

TEST_HARNESS_MAIN
