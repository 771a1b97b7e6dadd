// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What green_defer() does with its arguments: once, before it defers, and as the
 * parameters of the function want them. What compilers refuse of it: greencc/defer.sh.
 */
#include <green.h>
#include <stdbool.h>
#include <string.h>

#include "alone.h"
#include "defer.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))

static char said[64];
static unsigned int nr_said, evaluated;

static void say(int c)
{
	said[nr_said++] = c;
	said[nr_said] = 0;
}

static void six(int *sum, long b, int c, char *d, unsigned int e, int f)
{
	*sum += b + c + *d + e + f;
	say('6');
}

static void run(int (*fn)(void *), void *arg)
{
	nr_said = evaluated = 0;
	said[0] = 0;
	green_run(&alone, fn, arg);
}

static int once(int n)
{
	evaluated++;
	return n;
}

static int *once_at(int *p)
{
	evaluated++;
	return p;
}

static void NOINLINE defer_once(int *sum)
{
	char ten = 10;
	GREEN_SCOPE;

	green_defer(six, once_at(sum), once(1), once(2), &ten, once(3), once(4));
}

static int arguments(void *arg)
{
	int sum = 0;

	defer_once(&sum);
	*(int *)arg = sum;
	return 0;
}

TEST(arguments_are_evaluated_once)
{
	int sum = 0;

	run(arguments, &sum);
	EXPECT_EQ(evaluated, 5);
	EXPECT_EQ(sum, 20);
}

/* An argument of the call in the scope above, which defers in the same. */
static int defers(struct green_scope *scope, int c)
{
	green_defer_push(scope, NULL, (green_fn)say, 1, (void *)(long)c, NULL);
	return c;
}

static void NOINLINE defer_in_arguments(int *sum)
{
	char ten = 10;
	GREEN_SCOPE;

	green_defer(six, sum, 1, defers(&GREEN_THIS_SCOPE_, 'c'), &ten, 3,
		    defers(&GREEN_THIS_SCOPE_, 'f'));
}

static int arguments_that_defer(void *arg)
{
	int sum = 0;

	defer_in_arguments(&sum);
	*(int *)arg = sum;
	return 0;
}

TEST(an_argument_that_defers_does_so_before)
{
	int sum = 0;

	run(arguments_that_defer, &sum);
	EXPECT_EQ(sum, 1 + 'c' + 10 + 3 + 'f');
	/* Newest first. */
	EXPECT_EQ(strcmp(said, "6fc"), 0) TH_LOG("%s", said);
}

static int exits(void)
{
	green_exit();
}

static int arguments_that_exit(void *arg)
{
	char ten = 10;
	GREEN_SCOPE;

	green_defer(say, 'a');
	green_defer(six, (int *)arg, 1, 2, &ten, exits(), 4);
	return 0;
}

TEST(what_exits_in_an_argument_has_not_deferred)
{
	int sum = 0;

	run(arguments_that_exit, &sum);
	EXPECT_EQ(sum, 0);
	EXPECT_EQ(strcmp(said, "a"), 0) TH_LOG("%s", said);
}

/* The upper bits are the caller's to extend; clang relies on that. */
static int NOINLINE narrow(bool b, signed char c, unsigned short s)
{
	evaluated = (unsigned int)b + (unsigned int)(c == -1) * 10 + (unsigned int)(s == 65535) * 100;
	return 0;
}

static int narrow_arguments(void *arg)
{
	int n = *(int *)arg;
	GREEN_SCOPE;

	green_defer(narrow, (bool)n, (signed char)n, (unsigned short)n);
	return 0;
}

TEST(arguments_of_narrow_types)
{
	int n = 0x7fffffff;

	run(narrow_arguments, &n);
	EXPECT_EQ(evaluated, 111);
}

struct counter {
	struct green_closure closure;
	unsigned int nr;
};

static void count(struct green_closure *c)
{
	say('0' + ++((struct counter *)c)->nr);
}

static int closures(void *arg)
{
	struct counter counter[2] = {
		{ { count, sizeof(*counter) }, 0 }, { { count, sizeof(*counter) }, 4 },
	};
	struct counter *next = counter;
	GREEN_SCOPE;

	green_defer_closure(next++);
	green_defer_closure(next++);
	*(int *)arg = next - counter;
	return 0;
}

TEST(a_closure_is_evaluated_once)
{
	int n = 0;

	run(closures, &n);
	EXPECT_EQ(n, 2);
	EXPECT_EQ(strcmp(said, "51"), 0) TH_LOG("%s", said);
}

static int from_cxx(void *arg)
{
	defer_from_cxx(300, 0x10007, arg);
	return 0;
}

/* A pointer is true; 300 in a char is 44; 0x10007 in a short is 7. */
TEST(arguments_are_converted_in_cxx)
{
	int here;

	defer_said[0] = 0;
	run(from_cxx, &here);
	EXPECT_EQ(strcmp(defer_said, "null 301;number 300;six 44 1 300 65543 1;lambda 6;"
			 "narrow 1 44 7 -2;"), 0)
		TH_LOG("%s", defer_said);
}

static int throws(void *arg)
{
	(void)arg;
	defer_from_cxx_and_throw(3);
	return 0;
}

TEST(what_cxx_has_deferred_runs_before_its_catch)
{
	defer_said[0] = 0;
	run(throws, NULL);
	EXPECT_EQ(strcmp(defer_said, "number 3;caught 1;"), 0) TH_LOG("%s", defer_said);
}

TEST_HARNESS_MAIN
