// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * green_cancel(): where a thread waits, its defers run and it ends. Built by
 * greencc; run as it is, and by moves.sh with a move in every runtime call.
 */
#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"
#include "notes.h"

#define NOINLINE __attribute__((noinline))

#define HOUR 3600000000000ull

static int run(int (*fn)(void *), void *arg)
{
	clear_notes();
	return green_run(&alone, fn, arg);
}

/* Start fn(arg), let it come to where it waits, cancel it, join it. */
static int cancel_and_join(void (*fn)(void *), void *arg)
{
	green_t *t = green_go(fn, arg);

	green_yield();
	if (green_cancel(t))
		return 1;
	/* Twice is once. */
	if (green_cancel(t))
		return 2;
	return green_join(t);
}

/* ---- each kind of wait ------------------------------------------------ */

static int pipe_fd[2];

static void sleeps(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'd');
	green_sleep_ns(HOUR);
	note('!');
}

static void sleeps_with_deadline(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'd');
	green_deadline(green_now_ns() + HOUR);
	green_sleep_ns(2 * HOUR);
	note('!');
}

static void reads(void *arg)
{
	char buf[8];

	GREEN_SCOPE;
	green_defer(note, 'd');
	if (arg)
		green_deadline(green_now_ns() + HOUR);
	green_read(pipe_fd[0], buf, sizeof(buf));
	note('!');
}

static void joins(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'd');
	green_join(arg);
	note('!');
}

static void yields(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'd');
	for (;;)
		green_yield();
}

static int waits(void *arg)
{
	green_t *t = green_go(sleeps, NULL);
	int *r = arg;

	r[0] = cancel_and_join(sleeps, NULL);
	r[1] = cancel_and_join(sleeps_with_deadline, NULL);
	r[2] = cancel_and_join(reads, NULL);
	r[3] = cancel_and_join(reads, "deadline");
	r[4] = cancel_and_join(joins, t);
	r[5] = cancel_and_join(yields, NULL);
	/* Its joiner has gone: it can be joined again. */
	green_cancel(t);
	return green_join(t);
}

TEST(each_wait_ends_and_the_defers_run)
{
	int r[6], i;

	ASSERT_EQ(0, pipe(pipe_fd));
	EXPECT_EQ(-ECANCELED, run(waits, r));
	for (i = 0; i < 6; i++)
		EXPECT_EQ(-ECANCELED, r[i]);
	EXPECT_STREQ("ddddddd", notes);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void runs_on(void *arg)
{
	note('a');
	green_cancel(green_self());
	note('b');
	green_yield();
	note('!');
}

static void joins_cancelled(void *arg)
{
	green_cancel(green_self());
	green_join(arg);
	note('!');
}

static void finishes(void *arg)
{
	green_cancel(green_self());
	note('f');
}

static int others(void *arg)
{
	int *r = arg;
	green_t *t = green_go(sleeps, NULL);

	/* It has not begun: it does, and ends at its first wait. */
	green_cancel(t);
	r[0] = green_join(t);
	r[1] = green_join(green_go(runs_on, NULL));
	t = green_go(finishes, NULL);
	green_yield();
	r[2] = green_cancel(t);
	r[3] = green_join(t);
	r[4] = green_cancel(NULL);
	t = green_go(finishes, NULL);
	r[5] = green_join(green_go(joins_cancelled, t));
	return green_join(t);
}

TEST(those_that_do_not_wait_go_on_until_they_do)
{
	int r[6];

	EXPECT_EQ(0, run(others, r));
	EXPECT_EQ(-ECANCELED, r[0]);
	EXPECT_EQ(-ECANCELED, r[1]);
	EXPECT_EQ(-EINVAL, r[2]);
	EXPECT_EQ(0, r[3]);
	EXPECT_EQ(-EINVAL, r[4]);
	EXPECT_EQ(-ECANCELED, r[5]);
	EXPECT_STREQ("dabff", notes);
}

static green_t *main_thread;

static void cancel_main(void *arg)
{
	green_cancel(main_thread);
}

static int cancelled_main(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'm');
	main_thread = green_self();
	green_detach(green_go(cancel_main, NULL));
	green_sleep_ns(HOUR);
	return 7;
}

TEST(run_says_that_main_was_cancelled)
{
	EXPECT_EQ(-ECANCELED, run(cancelled_main, NULL));
	EXPECT_STREQ("m", notes);
	EXPECT_EQ(-EPERM, green_cancel(NULL));
}

/* ---- I/O -------------------------------------------------------------- */

static int back_fd[2];

static void reads_one(void *arg)
{
	char c = 0;

	if (green_read(pipe_fd[0], &c, 1) == 1)
		note(c);
	green_yield();
	note('!');
}

static green_t *reader;

static void cancels_reader(void *arg)
{
	char c;

	if (green_read(back_fd[0], &c, 1) == 1)
		green_cancel(reader);
	note('c');
}

/*
 * Both are ready before either runs. Which of them first is for the kernel to
 * say: Linux 6.1 completes the newest first, later ones the oldest.
 */
static int cancel_with_result(void *arg)
{
	green_t *t = green_go(cancels_reader, NULL);

	reader = green_go(reads_one, NULL);
	green_yield();
	if (write(back_fd[1], "c", 1) != 1 || write(pipe_fd[1], "r", 1) != 1)
		return 1;
	return green_join(t) ?: green_join(reader);
}

/*
 * It waits when it is cancelled, but the kernel does the read first. Linux 6.1 may
 * cancel it all the same; then the byte is where it was.
 */
static int cancel_too_late(void *arg)
{
	if (write(pipe_fd[1], "r", 1) != 1)
		return 1;
	return cancel_and_join(reads_one, NULL);
}

TEST(a_result_that_has_come_is_not_lost)
{
	char c;
	int err;

	ASSERT_EQ(0, pipe(pipe_fd));
	ASSERT_EQ(0, pipe(back_fd));
	err = run(cancel_with_result, NULL);
	if (notes[0] == 'c') {
		EXPECT_EQ(-ECANCELED, err);
		EXPECT_STREQ("cr", notes);
	} else {
		EXPECT_EQ(0, err);
		EXPECT_EQ('r', notes[0]);
	}
	EXPECT_EQ(-ECANCELED, run(cancel_too_late, NULL));
	fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
	if (read(pipe_fd[0], &c, 1) == 1)
		note(c);
	EXPECT_STREQ("r", notes);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	close(back_fd[0]);
	close(back_fd[1]);
}

static void reads_into(void *arg)
{
	GREEN_SCOPE;
	green_defer(free, arg);
	green_read(pipe_fd[0], arg, 64 << 10);
	note('!');
}

/* A buffer is freed only when the kernel is through with it. */
static int many_reads(void *arg)
{
	green_t *t[200];
	int i, bad = 0;

	for (i = 0; i < 200; i++)
		t[i] = green_go(reads_into, malloc(64 << 10));
	green_sleep_ns(1000000);
	for (i = 0; i < 200; i++)
		green_cancel(t[i]);
	for (i = 0; i < 200; i++)
		bad += green_join(t[i]) != -ECANCELED;
	return bad;
}

TEST(two_hundred_reads_are_cancelled)
{
	ASSERT_EQ(0, pipe(pipe_fd));
	EXPECT_EQ(0, run(many_reads, NULL));
	EXPECT_STREQ("", notes);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void closes(void *arg)
{
	int fd = open("/dev/null", O_RDONLY);

	*(int *)arg = fd;
	green_cancel(green_self());
	green_close(fd);
	note('!');
}

static int cancel_close(void *arg)
{
	return green_join(green_go(closes, arg));
}

TEST(a_file_is_closed_all_the_same)
{
	int fd = -1;

	EXPECT_EQ(-ECANCELED, run(cancel_close, &fd));
	EXPECT_EQ(-1, fcntl(fd, F_GETFD));
	EXPECT_STREQ("", notes);
}

/* ---- in defers -------------------------------------------------------- */

static void wait_and_note(int c)
{
	green_sleep_ns(1000);
	green_yield();
	note(c);
}

static void waits_in_defers(void *arg)
{
	GREEN_SCOPE;
	green_defer(wait_and_note, 'b');
	green_defer(wait_and_note, 'a');
	green_sleep_ns(HOUR);
	note('!');
}

static void exits(void *arg)
{
	GREEN_SCOPE;
	green_defer(wait_and_note, 'd');
	green_defer(wait_and_note, 'c');
	green_exit();
}

static int cancel_defers(void *arg)
{
	int *r = arg;
	green_t *t;

	r[0] = cancel_and_join(waits_in_defers, NULL);
	/* It ends by itself already; it is not stopped in that. */
	t = green_go(exits, NULL);
	green_yield();
	r[1] = green_cancel(t);
	r[2] = green_join(t);
	return 0;
}

TEST(deferred_calls_of_an_exit_may_wait)
{
	int r[3];

	EXPECT_EQ(0, run(cancel_defers, r));
	EXPECT_EQ(-ECANCELED, r[0]);
	EXPECT_EQ(0, r[1]);
	EXPECT_EQ(0, r[2]);
	EXPECT_STREQ("abcd", notes);
}

/* ---- with moves ------------------------------------------------------- */

static void add(long *sum, const long *n)
{
	green_stack_move(green_self(), 0, NULL);
	*sum += *n;
}

static void last(const long *sum, long *result)
{
	*result = *sum;
}

static void NOINLINE wait_below(long *sum, long n)
{
	struct green_defer rec;
	long mine = n;

	GREEN_SCOPE;
	green_defer_at(&rec, add, sum, &mine);
	if (n)
		wait_below(sum, n - 1);
	else
		green_sleep_ns(HOUR);
	note('!');
}

static void waits_deep(void *arg)
{
	long sum = 0;

	GREEN_SCOPE;
	green_defer(last, &sum, (long *)arg);
	wait_below(&sum, 100);
}

static int cancel_moved(void *arg)
{
	green_t *t = green_go(waits_deep, arg);
	struct green_stack_info info;
	int err;

	green_yield();
	err = green_stack_move(t, 0, NULL);
	green_cancel(t);
	/* Now it looks as if it had called green_exit(). */
	err |= green_stack_move(t, 0, NULL);
	green_stack_info(t, &info);
	((long *)arg)[1] = info.moves;
	return err ?: green_join(t);
}

TEST(a_cancelled_stack_moves)
{
	long r[2] = { 0 };

	EXPECT_EQ(-ECANCELED, run(cancel_moved, r));
	EXPECT_EQ(100 * 101 / 2, r[0]);
	EXPECT_LE(2, r[1]);
	EXPECT_STREQ("", notes);
}

TEST_HARNESS_MAIN
