// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What a fault on a green stack says, and how the process ends. Built by greencc. */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "alone.h"
#include "child.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))

static void (*victim)(void *);

static int start(void *attr)
{
	return green_join(green_go_opt(attr, victim, NULL));
}

static int runs(void *setup)
{
	static struct green_attr attr = { .name = "victim" };

	if (setup)
		(*(void (**)(void))setup)();
	return green_run(&alone, start, &attr);
}

/* fn in a thread, behind setup. */
static int child_thread(void (*setup)(void), void (*fn)(void *))
{
	victim = fn;
	return child(runs, setup ? &setup : NULL);
}

static int *volatile nowhere;
static volatile int zero;

static int NOINLINE leaf(int *p)
{
	return *p;
}

static int NOINLINE middle(int n)
{
	return n ? middle(n - 1) + 1 : leaf(nowhere) + 1;
}

static void reads_null(void *arg)
{
	green_yield();
	zero = middle(2);
}

TEST(a_fault_in_a_leaf)
{
	int status = child_thread(NULL, reads_null);

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EXPECT_NE(NULL, strstr(said, "green: thread 2 (victim): Segmentation fault at (nil), "
				     "a null pointer\n"));
	EXPECT_NE(NULL, strstr(said, "green: #0 leaf+0x"));
	EXPECT_NE(NULL, strstr(said, "middle+0x"));
	EXPECT_NE(NULL, strstr(said, " reads_null+0x"));
}

static void divides(void *arg)
{
	static volatile int seven = 7;

	zero = seven / zero;
}

TEST(a_division_by_zero)
{
	int status = child_thread(NULL, divides);

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGFPE);
	EXPECT_NE(NULL, strstr(said, "(victim): Floating point exception at "));
	EXPECT_NE(NULL, strstr(said, "#0 divides+0x"));
}

/* An address that was hidden from all maps, as a distance, after a move. */
static volatile long hidden;
static char *volatile elsewhere = (char *)&hidden;

static void NOINLINE moves(void)
{
	green_stack_move(green_self(), 0, NULL);
}

static void uses_old_stack(void *arg)
{
	volatile int local = 1;

	hidden = (char *)&local - elsewhere;
	moves();
	*(volatile int *)(elsewhere + hidden) = 2;
}

static void seal(void)
{
	setenv("GREEN_DEBUG", "seal", 1);
}

TEST(an_old_stack)
{
	int status = child_thread(seal, uses_old_stack);

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EXPECT_NE(NULL, strstr(said, "a stack that is another's, or was left by a move\n"));
}

static void own_handler(int sig)
{
	static const char text[] = "handled\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(7);
}

static void install(void)
{
	signal(SIGSEGV, own_handler);
}

TEST(a_handler_of_the_program_comes_next)
{
	int status = child_thread(install, reads_null);

	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(7, WEXITSTATUS(status));
	EXPECT_NE(NULL, strstr(said, "reads_null"));
	EXPECT_NE(NULL, strstr(said, "handled\n"));
}

static void raises(void *arg)
{
	raise(SIGSEGV);
}

TEST(a_signal_that_was_sent_is_no_fault)
{
	int status = child_thread(NULL, raises);

	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EXPECT_EQ(NULL, strstr(said, "green:"));
}

/* ---- handlers of other signals ------------------------------------------- */

static volatile uintptr_t handled_at;
static volatile struct green_stack_info interrupted;

static void takes_room(int sig)
{
	volatile char room[20000];

	memset((char *)room, sig, sizeof(room));
	handled_at = (uintptr_t)room;
}

static void spins(void *arg)
{
	struct green_stack_info info;

	green_stack_info(green_self(), &info);
	interrupted = info;
	while (!handled_at)
		;
}

static int start_small(void *arg)
{
	static const struct green_attr attr = { .stack_size = 2048 };
	struct itimerval soon = { .it_value = { .tv_usec = 5000 } };
	green_t *t = green_go_opt(&attr, spins, NULL);

	setitimer(ITIMER_REAL, &soon, NULL);
	return green_join(t);
}

TEST(a_handler_without_a_stack_gets_the_workers)
{
	struct sigaction sa;

	signal(SIGALRM, takes_room);
	EXPECT_EQ(0, green_run(&alone, start_small, NULL));
	EXPECT_EQ(2048, interrupted.hi - interrupted.lo);
	/* Neither on the stack nor below it. */
	EXPECT_LT(64 << 10, interrupted.hi - handled_at);
	/* Afterwards all is as it was. */
	EXPECT_EQ(0, sigaction(SIGALRM, NULL, &sa));
	EXPECT_EQ(0, sa.sa_flags & SA_ONSTACK);
	EXPECT_EQ((uintptr_t)takes_room, (uintptr_t)sa.sa_handler);
}

TEST_HARNESS_MAIN
