// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What C can do to a stack, while that moves in each entry check: the result is
 * what it always is. Built by greencc at several levels.
 */
#define _GNU_SOURCE
#include <complex.h>
#include <green.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alone.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define KEEP(array) __asm__ volatile("" : "+m"(array))

static struct green_stats stats;

struct go {
	void (*fn)(long *);
	long r[8];
};

/* Its own frame does not matter: what fn calls runs on a segment at worst. */
static int start(void *arg)
{
	struct go *g = arg;

	g->fn(g->r);
	return green_stats(&stats);
}

static int run(struct go *g, void (*fn)(long *))
{
	memset(g, 0, sizeof(*g));
	g->fn = fn;
	setenv("GREEN_DEBUG", "move=entry", 1);
	return green_run(&alone, start, g);
}

#define MOVES (stats.moves_copy + stats.moves_kernel)
#define RUN(fn)						\
	struct go g;					\
	EXPECT_EQ(0, run(&g, fn));			\
	EXPECT_LT(0, MOVES)

/* An entry check, and so a move. */
static long NOINLINE turn(long n)
{
	static volatile long zero;

	if (zero)
		green_yield();
	return n;
}

/* ---- control ------------------------------------------------------------ */

static jmp_buf env;

static void NOINLINE jump(long n)
{
	long here[4] = { n };

	KEEP(here);
	turn(1);
	if (!here[0])
		longjmp(env, 7);
	jump(n - 1);
}

static void jumps(long *r)
{
	volatile long local = 5;
	volatile int got = setjmp(env);

	if (!got)
		jump(10);
	r[0] = got;
	r[1] = turn(local);
	for (int i = 0; i < 100; i++)
		r[2] += turn(i);
}

TEST(setjmp_and_longjmp)
{
	RUN(jumps);
	EXPECT_EQ(7, g.r[0]);
	EXPECT_EQ(5, g.r[1]);
	EXPECT_EQ(4950, g.r[2]);
}

static int compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	turn(1);
	return (*x > *y) - (*x < *y);
}

static void sorts(long *r)
{
	int v[50], key = 17, *found;

	for (int i = 0; i < 50; i++)
		v[i] = i * 37 % 50;
	qsort(v, 50, sizeof(v[0]), compare);
	for (int i = 0; i < 50; i++)
		r[0] += v[i] == i;
	found = bsearch(&key, v, 50, sizeof(v[0]), compare);
	r[1] = found - v;
	turn(1);
	r[2] = *found;
}

TEST(call_backs_of_qsort_and_bsearch)
{
	RUN(sorts);
	EXPECT_EQ(50, g.r[0]);
	EXPECT_EQ(17, g.r[1]);
	EXPECT_EQ(17, g.r[2]);
}

static long NOINLINE interpret(const char *code, long *stack)
{
	static void *const op[] = { &&push, &&add, &&twice, &&end };
	long *sp = stack;

	goto *op[*code++ - 'a'];
push:
	*sp++ = turn(*code++ - '0');
	goto *op[*code++ - 'a'];
add:
	sp[-2] += turn(sp[-1]);
	sp--;
	goto *op[*code++ - 'a'];
twice:
	sp[-1] *= turn(2);
	goto *op[*code++ - 'a'];
end:
	return sp[-1];
}

static void computed_goto(long *r)
{
	long stack[10];

	r[0] = interpret("a3a4bca5bd", stack);
}

TEST(computed_gotos)
{
	RUN(computed_goto);
	EXPECT_EQ(19, g.r[0]);
}

static long NOINLINE even(long n, long *p);
static long NOINLINE odd(long n, long *p)
{
	if (!n)
		return -1;
	__attribute__((musttail)) return even(turn(n - 1), p);
}

static long NOINLINE even(long n, long *p)
{
	if (!n)
		return *p;
	__attribute__((musttail)) return odd(turn(n - 1), p);
}

static void tail_calls(long *r)
{
	long local = 9;

	r[0] = even(100, &local);
}

TEST(calls_that_must_be_jumps)
{
	RUN(tail_calls);
	EXPECT_EQ(9, g.r[0]);
}

/* ---- arguments and results ---------------------------------------------- */

struct words {
	long v[9];
};
struct two {
	long *p;
	long n;
};
struct mixed {
	double d;
	int i;
};

static struct words NOINLINE by_value(struct words w, long n)
{
	for (int i = 0; i < 9; i++)
		w.v[i] += turn(n);
	return w;
}

static struct two NOINLINE pair(long *p, long n)
{
	turn(1);
	return (struct two){ p + 1, n + 1 };
}

static struct mixed NOINLINE mix(struct mixed m)
{
	turn(1);
	return (struct mixed){ m.d * 2, m.i + 1 };
}

static void structs(long *r)
{
	struct words w = { { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };
	long local[3] = { 10, 20, 30 };
	struct two t;
	struct mixed m;

	w = by_value(w, 100);
	for (int i = 0; i < 9; i++)
		r[0] += w.v[i];
	t = pair(local, 5);
	turn(1);
	r[1] = *t.p;
	r[2] = t.n;
	m = mix((struct mixed){ 1.25, 3 });
	r[3] = m.d == 2.5 && m.i == 4;
}

TEST(structs_by_value)
{
	RUN(structs);
	EXPECT_EQ(945, g.r[0]);
	EXPECT_EQ(20, g.r[1]);
	EXPECT_EQ(6, g.r[2]);
	EXPECT_EQ(1, g.r[3]);
}

static long NOINLINE sum_list(int n, va_list ap)
{
	long sum = 0;

	while (n--) {
		sum += turn(va_arg(ap, int));
		sum += (long)va_arg(ap, double);
		sum += *va_arg(ap, long *);
		sum += (long)va_arg(ap, long double);
	}
	return sum;
}

static long NOINLINE sum_all(int n, ...)
{
	va_list ap, again;
	long sum;

	va_start(ap, n);
	va_copy(again, ap);
	sum = sum_list(n, ap);
	turn(1);
	sum += sum_list(n, again);
	va_end(again);
	va_end(ap);
	return sum;
}

static void variable(long *r)
{
	long a = 100, b = 200;

	r[0] = sum_all(4, 1, 2.5, &a, 3.5L, 4, 5.0, &b, 6.0L, 1, 1.0, &a, 1.0L, 2, 2.0, &b, 2.0L);
}

TEST(variable_arguments_twice)
{
	RUN(variable);
	EXPECT_EQ(2 * (6 + 100 + 15 + 200 + 3 + 100 + 6 + 200), g.r[0]);
}

static long NOINLINE many(long a, long *b, long c, long *d, long e, long *f, long g, long *h,
			  double i, long *j, float k, long *l)
{
	turn(1);
	return a + *b + c + *d + e + *f + g + *h + (long)i + *j + (long)k + *l;
}

static void many_arguments(long *r)
{
	long v[6] = { 1, 2, 3, 4, 5, 6 };

	r[0] = many(10, v, 20, v + 1, 30, v + 2, 40, v + 3, 50.5, v + 4, 60.5f, v + 5);
}

TEST(twelve_arguments)
{
	RUN(many_arguments);
	EXPECT_EQ(210 + 21, g.r[0]);
}

static __int128 NOINLINE large_int(__int128 a, __int128 b)
{
	turn(1);
	return a * b;
}

static double complex NOINLINE product(double complex a, double complex b)
{
	turn(1);
	return a * b;
}

static long double NOINLINE extended(long double a)
{
	turn(1);
	return a / 4;
}

static void numbers(long *r)
{
	__int128 big = large_int((__int128)1 << 70, 5);
	double complex z = product(1 + 2 * I, 3 - I);

	r[0] = (long)(big >> 70);
	r[1] = creal(z) == 5 && cimag(z) == 5;
	r[2] = extended(10) == 2.5L;
}

TEST(wide_and_complex_numbers)
{
	RUN(numbers);
	EXPECT_EQ(5, g.r[0]);
	EXPECT_EQ(1, g.r[1]);
	EXPECT_EQ(1, g.r[2]);
}

/* ---- locals ------------------------------------------------------------- */

static long NOINLINE dynamic(int n)
{
	long sum = 0;

	for (int i = 1; i <= n; i++) {
		long vla[i], *p = vla, *q = __builtin_alloca(i * sizeof(*q));

		for (int j = 0; j < i; j++)
			p[j] = q[j] = turn(j);
		for (int j = 0; j < i; j++)
			sum += turn(p[j]) + q[j];
	}
	return sum;
}

static void of_variable_size(long *r)
{
	r[0] = dynamic(20);
}

TEST(alloca_and_arrays_of_variable_size)
{
	RUN(of_variable_size);
	EXPECT_EQ(2 * 1330, g.r[0]);
}

static long NOINLINE aligned(void)
{
	_Alignas(32) long a = 1;
	_Alignas(64) long b = 2;
	_Alignas(4096) long c = 4;
	long *p[] = { &a, &b, &c }, sum = 0;

	for (int i = 0; i < 3; i++) {
		turn(1);
		sum += *p[i];
	}
	return sum + (uintptr_t)p[0] % 32 + (uintptr_t)p[1] % 64 + (uintptr_t)p[2] % 4096;
}

static void alignments(long *r)
{
	r[0] = aligned();
}

TEST(locals_of_large_alignment)
{
	RUN(alignments);
	EXPECT_EQ(7, g.r[0]);
}

static long NOINLINE large(long n)
{
	char frame[1 << 20];

	frame[0] = frame[sizeof(frame) - 1] = n;
	KEEP(frame);
	turn(1);
	return frame[0] + frame[sizeof(frame) - 1];
}

static void large_frame(long *r)
{
	r[0] = large(21);
}

TEST(a_first_frame_of_a_megabyte)
{
	RUN(large_frame);
	EXPECT_EQ(42, g.r[0]);
}

union either {
	long number;
	long *pointer;
	char bytes[16];
};

static void puns(long *r)
{
	long local[4] = { 1, 2, 3, 4 }, *end = local + 4;
	union either u = { .pointer = &local[1] };
	uintptr_t tagged = (uintptr_t)&local[2] | 1;
	struct {
		unsigned int a : 3, b : 13;
		long *p;
	} bits = { 5, 4097, &local[3] };

	turn(1);
	r[0] = *u.pointer;
	turn(2);
	r[1] = *(long *)(tagged & ~1ul);
	turn(3);
	r[2] = bits.a + bits.b + *bits.p;
	turn(4);
	r[3] = end - local;
	r[4] = end[-1];
}

TEST(unions_tags_bit_fields_and_ends)
{
	RUN(puns);
	EXPECT_EQ(2, g.r[0]);
	EXPECT_EQ(3, g.r[1]);
	EXPECT_EQ(5 + 4097 + 4, g.r[2]);
	EXPECT_EQ(4, g.r[3]);
	EXPECT_EQ(4, g.r[4]);
}

/* Nobody can follow this, so it must not move: the address leaves as a distance. */
static long hidden;
static char *volatile elsewhere = (char *)&hidden;

static void NOINLINE hide(long *p)
{
	hidden = (char *)p - elsewhere;
}

static void disguised(long *r)
{
	long local = 6;

	green_pin();
	hide(&local);
	turn(1);
	r[0] = *(long *)(elsewhere + hidden);
	green_unpin();
}

TEST(a_disguised_address_needs_green_pin)
{
	struct go g;

	EXPECT_EQ(0, run(&g, disguised));
	EXPECT_EQ(6, g.r[0]);
}

static void by_assembly(long *r)
{
	long local = 1, other = 2;

	__asm__("addq $40, %0" : "+m"(local));
	turn(1);
	__asm__("xchgq %0, %1" : "+r"(other), "+m"(local));
	turn(2);
	r[0] = other;
	r[1] = local;
}

TEST(memory_operands_of_assembly)
{
	RUN(by_assembly);
	EXPECT_EQ(41, g.r[0]);
	EXPECT_EQ(2, g.r[1]);
}

static void cleaned(long **p)
{
	++**p;
	turn(1);
}

static long NOINLINE with_cleanup(long *count)
{
	__attribute__((cleanup(cleaned))) long *p = count;

	return turn(*p);
}

static void clean_ups(long *r)
{
	long count = 3;

	r[0] = with_cleanup(&count);
	r[1] = count;
}

TEST(the_cleanup_attribute)
{
	RUN(clean_ups);
	EXPECT_EQ(3, g.r[0]);
	EXPECT_EQ(4, g.r[1]);
}

static void from_library(long *r)
{
	char text[64], *end, *save, *word, copy[64];
	int a = 0, b = 0;

	snprintf(text, sizeof(text), "%d %d rest", 12, 34);
	turn(1);
	r[0] = strtol(text, &end, 10);
	turn(2);
	r[1] = strtol(end, &end, 10);
	turn(3);
	r[2] = strlen(end);
	r[3] = sscanf(text, "%d %d", &a, &b) == 2 && a == 12 && b == 34;
	strcpy(copy, text);
	word = strtok_r(copy, " ", &save);
	turn(4);
	word = strtok_r(NULL, " ", &save);
	turn(5);
	r[4] = strcmp(word, "34") == 0;
}

TEST(results_of_the_library_point_into_locals)
{
	RUN(from_library);
	EXPECT_EQ(12, g.r[0]);
	EXPECT_EQ(34, g.r[1]);
	EXPECT_EQ(5, g.r[2]);
	EXPECT_EQ(1, g.r[3]);
	EXPECT_EQ(1, g.r[4]);
}

struct ring {
	struct ring *next, *prev;
	long value;
};

static void rings(long *r)
{
	struct ring head = { &head, &head, 0 }, node[5];
	struct ring **grown = NULL;

	for (int i = 0; i < 5; i++) {
		node[i] = (struct ring){ &head, head.prev, i + 1 };
		head.prev->next = &node[i];
		head.prev = &node[i];
		grown = realloc(grown, (i + 1) * sizeof(*grown));
		grown[i] = &node[i];
		turn(i);
	}
	for (struct ring *n = head.next; n != &head; n = n->next)
		r[0] += turn(n->value);
	for (int i = 0; i < 5; i++)
		r[1] += turn(grown[i]->value);
	free(grown);
}

TEST(rings_of_locals_and_the_heap)
{
	RUN(rings);
	EXPECT_EQ(15, g.r[0]);
	EXPECT_EQ(15, g.r[1]);
}

typedef double vector __attribute__((vector_size(64)));

/* More of them than registers: they are spilled over the call. */
static double NOINLINE vectors(const double *p)
{
	vector v[12], sum = { 0 };
	double s = 0;

	for (int i = 0; i < 12; i++)
		for (int j = 0; j < 8; j++)
			v[i][j] = p[j] * i;
	turn(1);
	for (int i = 0; i < 12; i++)
		sum += v[i];
	turn(2);
	for (int j = 0; j < 8; j++)
		s += sum[j];
	return s;
}

static void wide_vectors(long *r)
{
	double p[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	r[0] = (long)vectors(p);
}

TEST(vectors_over_calls)
{
	RUN(wide_vectors);
	EXPECT_EQ(36 * 66, g.r[0]);
}

TEST_HARNESS_MAIN
