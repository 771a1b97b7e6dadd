// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Panics: what runs, where they end, and what is left of a stack then. Built by
 * greencc; run as it is, and by moves.sh with a move in every runtime call.
 */
#include <errno.h>
#include <fenv.h>
#include <green.h>
#include <malloc.h>
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

#define HOUR 3600000000000ull

static void note_and_move(int c)
{
	move_me(0);
	green_yield();
	note(c);
}

static int run(void (*fn)(void *), void *arg)
{
	clear_notes();
	return run_thread(fn, arg);
}

/* Does green_try(fn, arg) say this? */
static int NOINLINE says(const char *message, void (*fn)(void *), void *arg)
{
	const char *s = green_try(fn, arg);

	if (!message || !s)
		return message == s;
	if (strcmp(s, message))
		fprintf(stderr, "# it says \"%s\"\n", s);
	return !strcmp(s, message);
}

/* ---- caught ----------------------------------------------------------- */

static void nothing(void *arg)
{
	note('n');
}

static void formats(void *arg)
{
	char local[] = "local";

	green_panic("%d %s %c %ld %.3f %g %u %x %s", -1, local, 'c', 1L << 40, 3.14159,
		    1e10, 7u, 0xffu, "end");
}

static void too_long(void *arg)
{
	green_panic("%0300d", 0);
}

static void messages(void *arg)
{
	char zeros[256];
	int *good = arg;

	memset(zeros, '0', 255);
	zeros[255] = '\0';
	*good += says(NULL, nothing, NULL);
	*good += says("-1 local c 1099511627776 3.142 1e+10 7 ff end", formats, NULL);
	*good += says(zeros, too_long, NULL);
	*good += says(NULL, nothing, NULL);
}

TEST(try_returns_the_message)
{
	int good = 0;

	EXPECT_EQ(0, run(messages, &good));
	EXPECT_EQ(4, good);
	EXPECT_STREQ("nn", notes);
}

static void NOINLINE panic_below(int depth)
{
	GREEN_SCOPE;
	green_defer(note_and_move, '0' + depth);
	if (!depth)
		green_panic("deep");
	panic_below(depth - 1);
	note('!');
}

static void panic_at_depth(void *arg)
{
	panic_below((int)(intptr_t)arg);
	note('!');
}

static void outer_scope(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'z');
	*(int *)arg += says("deep", panic_at_depth, (void *)5);
	note('-');
	{
		GREEN_SCOPE;
		green_defer(note, 'y');
		*(int *)arg += says("deep", panic_at_depth, (void *)2);
		note('-');
	}
}

TEST(defers_run_newest_first_as_far_as_the_try)
{
	int good = 0;

	EXPECT_EQ(0, run(outer_scope, &good));
	EXPECT_EQ(2, good);
	EXPECT_STREQ("012345-012-yz", notes);
	EXPECT_EQ(0, refused);
}

static void panics_after_try(void *arg)
{
	GREEN_SCOPE;
	green_defer(note_and_move, 'd');
	green_try(nothing, NULL);
	green_panic("after");
}

static void outer_try(void *arg)
{
	*(int *)arg = says("after", panics_after_try, NULL);
}

TEST(a_try_that_has_returned_catches_no_more)
{
	int good = 0;

	EXPECT_EQ(0, run(outer_try, &good));
	EXPECT_EQ(1, good);
	EXPECT_STREQ("nd", notes);
}

struct link {
	struct link *up;
	long n;
};

static long far_depth, far_sum;

static void NOINLINE far_below(struct link *up)
{
	struct link here = { up, up ? up->n - 1 : far_depth };
	struct link *p;

	if (here.n % 1000 == 0)
		move_me(0);
	if (here.n)
		far_below(&here);
	for (p = &here; p; p = p->up)
		far_sum += p->n;
	green_panic("far");
}

static void far(void *arg)
{
	far_sum = 0;
	far_below(NULL);
}

static void far_and_again(void *arg)
{
	for (far_depth = 4000; far_depth < 4005; far_depth++) {
		*(int *)arg += says("far", far, NULL) &&
			       far_sum == far_depth * (far_depth + 1) / 2;
		move_me(0);
	}
}

/* Go's TestPanicFar: what is left far above is whole. */
TEST(a_panic_from_far_below)
{
	int good = 0;

	EXPECT_EQ(0, run(far_and_again, &good));
	EXPECT_EQ(5, good);
	EXPECT_EQ(0, refused);
}

static void scramble(void *arg)
{
	__asm__ volatile("movq $-1, %%rbx; movq %%rbx, %%r12; movq %%rbx, %%r13;"
			 "movq %%rbx, %%r14; movq %%rbx, %%r15"
			 : : : "rbx", "r12", "r13", "r14", "r15");
	fesetround(FE_UPWARD);
	move_me(0);
	green_panic("done");
}

static void registers(void *arg)
{
	long a = nr_notes + 10, b = nr_notes + 20, c = nr_notes + 30, d = nr_notes + 40;
	long e = nr_notes + 50, *p = &e;
	const char *s;

	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	s = green_try(scramble, NULL);
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
	*(int *)arg = a == 10 && b == 20 && c == 30 && d == 40 && *p == 50 && p == &e &&
		      s && !strcmp(s, "done") && fegetround() == FE_TONEAREST;
}

TEST(registers_and_rounding_are_as_before_the_try)
{
	int good = 0;

	EXPECT_EQ(0, run(registers, &good));
	EXPECT_EQ(1, good);
}

static void panic_again(void)
{
	green_panic("again");
}

static void panics_at_once(void *arg)
{
	GREEN_SCOPE;
	green_defer(panic_again);
	green_defer(free, malloc(100));
	green_panic("%p", arg);
}

static void often(void *arg)
{
	struct green_stack_info before, after;
	size_t heap = mallinfo2().uordblks;
	long i, n = 0;

	green_stack_info(green_self(), &before);
	for (i = 0; i < 10000; i++)
		n += green_try(panics_at_once, NULL) != NULL;
	green_stack_info(green_self(), &after);
	*(int *)arg = n == 10000 && before.used == after.used &&
		      mallinfo2().uordblks < heap + 65536;
}

TEST(ten_thousand_panics_leave_nothing)
{
	int good = 0;

	EXPECT_EQ(0, run(often, &good));
	EXPECT_EQ(1, good);
}

/* ---- panics in defers -------------------------------------------------- */

static void panic_with(int c)
{
	note(c);
	green_panic("panic %c", c);
}

static void panics_in_defers(void *arg)
{
	GREEN_SCOPE;
	green_defer(note_and_move, 'e');
	green_defer(panic_with, 'd');
	green_defer(panic_with, 'c');
	{
		GREEN_SCOPE;
		green_defer(note_and_move, 'b');
		/* Of the scope's ordinary end, then of the panic. */
		green_defer(panic_with, 'a');
	}
	note('!');
}

static void caught_last(void *arg)
{
	*(int *)arg += says("panic d", panics_in_defers, NULL);
	*(int *)arg += says("panic d", panics_in_defers, NULL);
}

TEST(a_panic_in_a_defer_replaces_the_first)
{
	int good = 0;

	EXPECT_EQ(0, run(caught_last, &good));
	EXPECT_EQ(2, good);
	EXPECT_STREQ("abcdeabcde", notes);
	EXPECT_EQ(0, refused);
}

static int nested;

static void inner_panic(void *arg)
{
	GREEN_SCOPE;
	green_defer(note_and_move, 'i');
	green_panic("inner");
}

static void try_in_defer(int c)
{
	nested += says("inner", inner_panic, NULL);
	note_and_move(c);
}

static void panic_around(void *arg)
{
	GREEN_SCOPE;
	green_defer(try_in_defer, 'b');
	green_defer(try_in_defer, 'a');
	green_panic("outer");
}

static void nested_tries(void *arg)
{
	*(int *)arg = says("outer", panic_around, NULL);
}

TEST(a_defer_catches_its_own_panic_only)
{
	int good = 0;

	nested = 0;
	EXPECT_EQ(0, run(nested_tries, &good));
	EXPECT_EQ(1, good);
	EXPECT_EQ(2, nested);
	EXPECT_STREQ("iaib", notes);
	EXPECT_EQ(0, refused);
}

static void pass_on(void *arg);

static void NOINLINE again(long n)
{
	const char *s = green_try(pass_on, &n);

	note_and_move('0' + n);
	green_panic("%s%ld", s, n);
}

static void pass_on(void *arg)
{
	long n = *(long *)arg;

	GREEN_SCOPE;
	green_defer(note_and_move, 'a' + n);
	if (!n)
		green_panic("-");
	again(n - 1);
}

static void repeated(void *arg)
{
	long n = 4;

	*(int *)arg = says("-0123", pass_on, &n);
}

/* Go's repeated repanics: each level catches, and panics with what it caught. */
TEST(caught_and_passed_on)
{
	int good = 0;

	EXPECT_EQ(0, run(repeated, &good));
	EXPECT_EQ(1, good);
	EXPECT_STREQ("a0b1c2d3e", notes);
	EXPECT_EQ(0, refused);
}

static int used;

static void NOINLINE use_stack(int *p, int n)
{
	char room[5000];

	memset(room, 1, sizeof(room));
	KEEP(room);
	if (n)
		use_stack(p, n - 1);
	else
		move_me(0);
	used += *p * room[0];
}

static void panic_and_use(int *p, int n)
{
	use_stack(p, 20);
	if (n)
		green_panic("%d", n);
}

static void NOINLINE users(int n)
{
	int local[2000], *p = &local[n * 100];

	KEEP(local);
	*p = 1;
	{
		GREEN_SCOPE;
		green_defer(panic_and_use, p, n % 3);
		if (!n)
			green_panic("first");
		users(n - 1);
	}
	KEEP(local);
}

static void users_try(void *arg)
{
	users(15);
}

static void panics_grow(void *arg)
{
	*(int *)arg = says("2", users_try, NULL);
}

/* Go's TestPanicUseStack and TestDeferPtrsPanic: panics on panics, each growing. */
TEST(defers_of_panics_grow_the_stack)
{
	int good = 0;

	used = 0;
	EXPECT_EQ(0, run(panics_grow, &good));
	EXPECT_EQ(1, good);
	EXPECT_EQ(16 * 21, used);
	EXPECT_EQ(0, refused);
}

/* ---- with exit and cancel --------------------------------------------- */

static void exit_in_defer(void)
{
	note('x');
	green_exit();
}

static void panic_then_exit(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'b');
	green_defer(exit_in_defer);
	green_defer(note, 'a');
	green_panic("given up");
}

static void exit_through_try(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'c');
	green_try(panic_then_exit, NULL);
	note('!');
}

TEST(an_exit_in_a_panics_defer_ends_the_thread)
{
	EXPECT_EQ(0, run(exit_through_try, NULL));
	EXPECT_STREQ("axbc", notes);
}

static void exit_with_inner_panic(void *arg)
{
	GREEN_SCOPE;
	green_defer(try_in_defer, 'b');
	green_defer(try_in_defer, 'a');
	green_exit();
}

TEST(an_exits_defers_catch_their_panics)
{
	nested = 0;
	EXPECT_EQ(0, run(exit_with_inner_panic, NULL));
	EXPECT_EQ(2, nested);
	EXPECT_STREQ("iaib", notes);
}

static void waits_in_panic(void *arg)
{
	GREEN_SCOPE;
	green_defer(green_sleep_ns, 100000);
	green_panic("slow");
}

static void panics_then_waits(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'd');
	if (says("slow", waits_in_panic, NULL))
		note('s');
	green_sleep_ns(HOUR);
	note('!');
}

static int cancel_in_panic(void *arg)
{
	green_t *t = green_go(panics_then_waits, NULL);

	green_yield();
	green_cancel(t);
	return green_join(t);
}

TEST(a_cancel_waits_for_the_end_of_a_panic)
{
	memset(notes, 0, sizeof(notes));
	nr_notes = 0;
	EXPECT_EQ(-ECANCELED, green_run(&alone, cancel_in_panic, NULL));
	EXPECT_STREQ("sd", notes);
}

/* ---- not caught -------------------------------------------------------- */

static void write_char(int c)
{
	char byte = c;

	if (write(STDERR_FILENO, &byte, 1) != 1)
		abort();
}

static void panics(void *arg)
{
	GREEN_SCOPE;
	green_defer(write_char, 'b');
	green_defer(write_char, 'a');
	green_panic("%s of %d", (char *)arg, 1);
}

static void panics_thrice(void *arg)
{
	GREEN_SCOPE;
	green_defer(panic_with, 'c');
	green_defer(panic_with, 'b');
	panic_with('a');
}

static void exit_hides_try(void *arg)
{
	GREEN_SCOPE;
	green_defer(panic_with, 'a');
	green_exit();
}

static void tries_exit(void *arg)
{
	green_try(exit_hides_try, NULL);
}

struct words {
	void (*fn)(void *);
	void *arg;
};

static int panics_at_last(void *arg)
{
	struct words *w = arg;

	if (w->fn)
		run(w->fn, w->arg);
	else
		green_panic("%d", 5);
	return 0;
}

/* What a process writes to stderr before it aborts; NULL: it did not. */
static const char *last_words(void (*fn)(void *), void *arg)
{
	return is_abort(child(panics_at_last, &(struct words){ fn, arg })) ? said : NULL;
}

TEST(a_panic_that_nobody_catches_ends_the_process)
{
	EXPECT_STREQ("ab" "green: thread 2 (unnamed): panic: one of 1\n",
		     last_words(panics, "one"));
	EXPECT_STREQ("green: thread 2 (unnamed): panic: panic a; then panic: panic b; "
		     "then panic: panic c\n", last_words(panics_thrice, NULL));
	/* An exit has left the try behind. */
	EXPECT_STREQ("green: thread 2 (unnamed): panic: panic a\n",
		     last_words(tries_exit, NULL));
	EXPECT_STREQ("green: panic outside of a green thread: 5\n",
		     last_words(NULL, NULL));
}

TEST_HARNESS_MAIN
