// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Deferred calls: at the end of their scope, and by green_exit(). Built by
 * greencc; run as it is, and by moves.sh with a move in every runtime call.
 */
#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alone.h"
#include "child.h"
#include "kselftest_harness.h"
#include "moved.h"
#include "notes.h"

#define NOINLINE __attribute__((noinline))

/* The whole array has to be in memory. */
#define KEEP(array) __asm__ volatile("" : "+m"(array))

static int run(void (*fn)(void *), void *arg)
{
	clear_notes();
	return run_thread(fn, arg);
}

/* ---- the end of a scope ----------------------------------------------- */

static void note_and_move(int c)
{
	move_me(0);
	green_yield();
	note(c);
}

static void leave_scopes(void *arg)
{
	GREEN_SCOPE;
	green_defer(note_and_move, 'a');
	green_defer(note_and_move, 'b');
	{
		GREEN_SCOPE;
		green_defer(note_and_move, 'c');
		green_defer(note_and_move, 'd');
		note('-');
	}
	note('+');
	green_defer(note_and_move, 'e');
}

TEST(scopes_are_left_while_their_stack_moves)
{
	EXPECT_EQ(0, run(leave_scopes, NULL));
	EXPECT_STREQ("-dc+eba", notes);
	EXPECT_EQ(0, refused);
}

static void six(int *a, long b, int *c, uintptr_t d, const char *e, unsigned char f)
{
	*a = *a == 1 && b == -2 && *c == 3 && e && !strcmp(e, "five") && f == 6;
	*c = (int)(d & 7);
}

static void NOINLINE six_arguments(int *result, uintptr_t number)
{
	int a = 1, c = 3;
	char e[8] = "five";

	{
		GREEN_SCOPE;
		green_defer(six, &a, -2L, &c, number, e, (unsigned char)6);
		move_me(0);
	}
	*result = a && c == 5;
}

static void six_arguments_thread(void *arg)
{
	struct green_stack_info info;

	/* The number looks like an address of this stack. */
	green_stack_info(green_self(), &info);
	six_arguments(arg, info.hi - 64 + 5);
}

TEST(six_arguments_keep_their_kinds)
{
	int result = 0;

	EXPECT_EQ(0, run(six_arguments_thread, &result));
	EXPECT_EQ(1, result);
	EXPECT_EQ(0, refused);
}

static void defer_more(int c)
{
	GREEN_SCOPE;
	green_defer(note_and_move, c + 1);
	note(c);
}

static void defers_that_defer(void *arg)
{
	GREEN_SCOPE;
	green_defer(defer_more, 'x');
	green_defer(defer_more, 'a');
}

TEST(a_deferred_function_defers)
{
	EXPECT_EQ(0, run(defers_that_defer, NULL));
	EXPECT_STREQ("abxy", notes);
	EXPECT_EQ(0, refused);
}

/* ---- green_exit ------------------------------------------------------- */

static void NOINLINE exit_below(int depth)
{
	GREEN_SCOPE;
	green_defer(note_and_move, '0' + depth);
	if (!depth)
		green_exit();
	exit_below(depth - 1);
	note('!');
}

static void exit_from_depth(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'z');
	exit_below(9);
	note('!');
}

TEST(exit_runs_all_defers_newest_first)
{
	EXPECT_EQ(0, run(exit_from_depth, NULL));
	EXPECT_STREQ("0123456789z", notes);
	EXPECT_EQ(0, refused);
}

static int exit_main(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'm');
	if (!arg)
		green_exit();
	return 7;
}

TEST(exit_in_main_makes_run_return_0)
{
	nr_notes = 0;
	EXPECT_EQ(0, green_run(&alone, exit_main, NULL));
	EXPECT_EQ(7, green_run(&alone, exit_main, notes));
	EXPECT_EQ(2, nr_notes);
}

static void exit_again(int c)
{
	note(c);
	green_exit();
}

static void exit_in_defers(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'a');
	green_defer(exit_again, 'b');
	green_defer(exit_again, 'c');
	{
		GREEN_SCOPE;
		green_defer(note, 'd');
		/* Its scope is being left when it exits. */
		green_defer(exit_again, 'e');
	}
	note('!');
}

TEST(deferred_functions_exit)
{
	EXPECT_EQ(0, run(exit_in_defers, NULL));
	EXPECT_STREQ("edcba", notes);
}

static void defer_exit(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'b');
	green_defer(green_exit);
	green_defer(note, 'a');
}

TEST(exit_itself_is_deferred)
{
	EXPECT_EQ(0, run(defer_exit, NULL));
	EXPECT_STREQ("ab", notes);
}

/* ---- pointers --------------------------------------------------------- */

#define BIG (4096 / sizeof(int) + 40)

static long checked;

/* Takes stack, so that it grows when it is called at depth. */
static void NOINLINE check_big(int *p, int n)
{
	char room[6000];
	size_t i;

	memset(room, 1, sizeof(room));
	KEEP(room);
	move_me(0);
	for (i = 0; i < BIG; i++)
		if (p[i] != n)
			return;
	checked += room[0];
}

static void NOINLINE big_below(int depth)
{
	struct green_defer rec;
	int big[BIG];
	size_t i;

	KEEP(big);
	for (i = 0; i < BIG; i++)
		big[i] = depth;
	{
		GREEN_SCOPE;
		/* Records on the stack and in the heap, mixed. */
		if (depth % 3)
			green_defer_at(&rec, check_big, big, depth);
		else
			green_defer(check_big, big, depth);
		if (!depth)
			green_exit();
		big_below(depth - 1);
	}
	KEEP(big);
}

static void big_thread(void *arg)
{
	big_below((int)(intptr_t)arg);
}

/* Go's TestDeferPtrsGoexit, and TestDeferHeapAndStack. */
TEST(pointers_to_locals_at_100_depths)
{
	long depth;

	for (depth = 0; depth < 100; depth += 11) {
		checked = 0;
		EXPECT_EQ(0, run(big_thread, (void *)depth));
		EXPECT_EQ(depth + 1, checked);
		EXPECT_EQ(0, refused);
	}
}

static void add(int *sum, const int *n)
{
	*sum += *n;
}

static void last(const int *sum, int *result)
{
	*result = *sum;
}

static void NOINLINE chain(int *sum, int n)
{
	struct green_defer rec;
	int mine = n;

	GREEN_SCOPE;
	green_defer_at(&rec, add, sum, &mine);
	if (!n)
		green_exit();
	green_yield();
	chain(sum, n - 1);
}

static void chain_thread(void *arg)
{
	int sum = 0;

	GREEN_SCOPE;
	green_defer(last, &sum, (int *)arg);
	chain(&sum, 1000);
}

TEST(a_thousand_records_on_the_stack)
{
	int result = 0;

	EXPECT_EQ(0, run(chain_thread, &result));
	EXPECT_EQ(1000 * 1001 / 2, result);
}

/* ---- with others ------------------------------------------------------ */

static void close_deferred(void *arg)
{
	GREEN_SCOPE;
	green_defer(green_close, *(int *)arg);
	green_exit();
}

TEST(a_runtime_call_is_deferred)
{
	int fd = open("/dev/null", O_RDONLY);

	EXPECT_EQ(0, run(close_deferred, &fd));
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	EXPECT_EQ(EBADF, errno);
}

static void moves_after_foreign(void *arg)
{
	{
		GREEN_SCOPE;
		green_defer(free, arg);
	}
	move_me(0);
}

TEST(a_foreign_defer_that_has_run_does_not_stop_moves)
{
	EXPECT_EQ(0, run(moves_after_foreign, malloc(1)));
	EXPECT_EQ(0, refused);
}

static int abandon(void *arg)
{
	green_t *t = green_go(arg, NULL);

	green_yield();
	return t ? 3 : -1;
}

static void sleep_deferred(void)
{
	note('s');
	green_sleep_ns(3600000000000ull);
	note('!');
}

static void sleeps_in_its_exit(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, '!');
	green_defer(sleep_deferred);
	green_exit();
}

TEST(a_thread_is_abandoned_in_its_exit)
{
	memset(notes, 0, sizeof(notes));
	nr_notes = 0;
	EXPECT_EQ(3, green_run(&alone, abandon, sleeps_in_its_exit));
	EXPECT_STREQ("s", notes);
}

#ifdef __STDC_DEFER_TS25755__
#include <stddefer.h>

static void with_keyword(void *arg)
{
	GREEN_SCOPE;
	green_defer(note_and_move, 'd');
	defer note_and_move('c');
	{
		defer note('b');
		GREEN_SCOPE;
		green_defer(note_and_move, 'a');
	}
}

TEST(the_keyword_mixes_with_scopes)
{
	EXPECT_EQ(0, run(with_keyword, NULL));
	EXPECT_STREQ("abcd", notes);
	EXPECT_EQ(0, refused);
}
#endif

/* ---- an address that is deferred as an integer -------------------------------- */

static void adds(unsigned long to, int n)
{
	*(int *)to += n;
}

static void NOINLINE defers_an_integer(int *sum)
{
	int x = 1;

	{
		GREEN_SCOPE;

		green_defer(adds, (unsigned long)&x, 5);
		move_me(0);		/* nobody knows the integer for what it is */
	}
	*sum = x;
	move_me(0);
}

static void holds_it_meanwhile(void *arg)
{
	int *sum = arg;

	defers_an_integer(sum);
	*sum += refused == 2 ? 10 : 0;
	move_me(0);			/* the frame has been left */
}

TEST(an_address_that_is_deferred_as_an_integer_is_held)
{
	int *sum = calloc(1, sizeof(*sum));

	EXPECT_EQ(0, run(holds_it_meanwhile, sum));
	EXPECT_EQ(16, *sum);
	EXPECT_EQ(2, refused);
	EXPECT_EQ(1, moved);
	free(sum);
}

/* ---- the end of an OS thread ------------------------------------------------ */

static void ends_os_thread(void *arg)
{
	pthread_exit(arg);
}

static void is_cancelled(void *arg)
{
	pthread_cancel(pthread_self());
	pthread_testcancel();
}

struct end {
	void (*fn)(void *);
	struct green_options opt;
	bool first;			/* in the first thread */
};

static int ends(void *arg)
{
	struct end *e = arg;

	if (!e->first)
		return green_join(green_go(e->fn, NULL));
	e->fn(NULL);
	return 0;
}

static int in_a_run(void *arg)
{
	return green_run(&((struct end *)arg)->opt, ends, arg);
}

TEST(pthread_exit_is_not_for_green_threads)
{
	static void (*const fn[])(void *) = { ends_os_thread, is_cancelled };

	for (int i = 0; i < 8; i++) {
		struct end e = { fn[i & 1], { .workers = 1 + (i >> 1 & 1) }, i >> 2 };
		int status;

		alarm(20);
		status = child(in_a_run, &e);
		EXPECT_TRUE(is_abort(status));
		EXPECT_NE(NULL, strstr(said, "its OS thread has ended, by pthread_exit()")) {
			TH_LOG("%d: status %x: %s", i, status, said);
		}
	}
}

/* Behind green_run() it is what it was. */
static void *runs_and_exits(void *arg)
{
	struct go g = { arg, NULL };

	if (green_run(&alone, go_and_join, &g))
		return NULL;
	pthread_exit(&refused);
}

static void nothing(void *arg)
{
}

TEST(afterwards_it_ends_the_os_thread)
{
	pthread_t thread;
	void *ret = NULL;

	ASSERT_EQ(0, pthread_create(&thread, NULL, runs_and_exits, nothing));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ((void *)&refused, ret);
}

TEST_HARNESS_MAIN
