// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * fork() in a green thread: the parent does not notice, and the child goes on, ends or
 * begins anew. With one worker, and with two.
 */
#include <errno.h>
#include <green.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define MUST(c) do { if (!(c)) return __LINE__; } while (0)
#define CHILD_MUST(c) do { if (!(c)) _exit(__LINE__ & 0xff ?: 1); } while (0)

/* Scaled: on a slow machine all of it takes longer. */
#define MS (1000000ull * test_pace())
#define LONG (20000 * MS)

FIXTURE(forks)
{
	struct green_options opt;
};

FIXTURE_VARIANT(forks)
{
	unsigned int workers;
};

FIXTURE_VARIANT_ADD(forks, one_worker) { .workers = 1 };
FIXTURE_VARIANT_ADD(forks, two_workers) { .workers = 2 };

FIXTURE_SETUP(forks)
{
	self->opt.workers = variant->workers;
	fflush(NULL);
}

FIXTURE_TEARDOWN(forks) { }

/* Exit status, or 1000 and the signal. */
static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid)
		green_sleep_ns(MS);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int NOINLINE deep(int n)
{
	char frame[256];

	memset(frame, n, sizeof(frame));
	__asm__ volatile("" : "+m"(frame));
	return n ? deep(n - 1) + (frame[17] == (char)n) : 0;
}

/* ---- side by side -------------------------------------------------------- */

static int ping[2], pong[2];

static void echoes(void *arg)
{
	char *c = malloc(1);

	while (green_read(ping[0], c, 1) == 1)
		green_write(pong[1], c, 1);
	free(c);
}

static void adds_one(void *arg)
{
	green_sleep_ns(MS);
	++*(int *)arg;
}

/* All that a thread may do. */
static void goes_on(green_t *parents)
{
	green_t *t[20];
	int fd[2], *n = calloc(1, sizeof(*n)), i;
	char *c = malloc(1);

	CHILD_MUST(green_join(parents) == -EINVAL);
	CHILD_MUST(green_cancel(parents) == -EINVAL);
	CHILD_MUST(!green_sleep_ns(5 * MS));
	CHILD_MUST(!pipe(fd));
	CHILD_MUST(green_write(fd[1], "x", 1) == 1);
	CHILD_MUST(green_read(fd[0], c, 1) == 1 && *c == 'x');
	for (i = 0; i < 20; i++)
		CHILD_MUST(t[i] = green_go(adds_one, n));
	for (i = 0; i < 20; i++)
		CHILD_MUST(!green_join(t[i]));
	CHILD_MUST(*n == 20);
	CHILD_MUST(deep(2000) == 2000);
	green_deadline(green_now_ns() + 5 * MS);
	CHILD_MUST(green_read(fd[0], c, 1) == -ETIMEDOUT);
	_exit(77);
}

static int side_by_side(void *arg)
{
	char *c = malloc(1);
	pid_t pid[3];
	green_t *t;
	int i;

	MUST(!pipe(ping) && !pipe(pong));
	MUST(t = green_go(echoes, NULL));
	green_yield();
	for (i = 0; i < 300; i++) {
		if (i % 100 == 50) {
			pid[i / 100] = fork();
			MUST(pid[i / 100] >= 0);
			if (!pid[i / 100])
				goes_on(t);
		}
		green_deadline(green_now_ns() + LONG);
		*c = (char)i;
		MUST(green_write(ping[1], c, 1) == 1);
		*c = 0;
		MUST(green_read(pong[0], c, 1) == 1 && *c == (char)i);
		if (i % 10 == 0)
			green_sleep_ns(MS);
	}
	for (i = 0; i < 3; i++)
		MUST(reap(pid[i]) == 77);
	MUST(!green_close(ping[1]));
	MUST(!green_join(t));
	free(c);
	return 0;
}

TEST_F(forks, parent_and_child_go_on)
{
	EXPECT_EQ(0, green_run(&self->opt, side_by_side, NULL));
}

static void forks_and_execs(void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", "exit 5", NULL);
		_exit(1);
	}
	*(int *)arg = reap(pid);
}

static int execs(void *arg)
{
	int got[10] = { 0 }, i;
	green_t *t[10];

	for (i = 0; i < 10; i++)
		MUST(t[i] = green_go(forks_and_execs, &got[i]));
	for (i = 0; i < 10; i++)
		MUST(!green_join(t[i]) && got[i] == 5);
	/* vfork(), by way of posix_spawn(). */
	MUST(WEXITSTATUS(system("exit 6")) == 6);
	return 0;
}

TEST_F(forks, children_exec)
{
	EXPECT_EQ(0, green_run(&self->opt, execs, NULL));
}

/* ---- how a child ends ---------------------------------------------------- */

static int notes[2];

static void note(int c)
{
	char byte = (char)c;

	if (write(notes[1], &byte, 1) != 1)
		abort();
}

struct ending {
	pid_t pid;
	int how;
	int seen;			/* on this stack, by a thread on another */
};

static void ends(void *arg)
{
	struct ending *e = arg;

	GREEN_SCOPE;
	green_defer(note, 'a');
	e->pid = fork();
	if (e->pid)
		return;
	if (e->seen != 42)
		_exit(3);
	green_defer(note, 'b');
	if (e->how)
		green_exit();
}

static int endings(void *arg)
{
	char got[16];
	int i;

	MUST(!pipe(notes));
	for (i = 0; i < 2; i++) {
		struct ending e = { 0, i, 42 };
		green_t *t = green_go(ends, &e);

		MUST(!green_join(t));
		MUST(e.pid > 0);
		MUST(reap(e.pid) == 0);
		memset(got, 0, sizeof(got));
		MUST(read(notes[0], got, sizeof(got)) == 3);
		/* The parent's first or last, and the child's in order. */
		MUST(!strcmp(got, "aba") || !strcmp(got, "baa"));
	}
	return 0;
}

TEST_F(forks, children_run_their_defers)
{
	EXPECT_EQ(0, green_run(&self->opt, endings, NULL));
}

static pid_t main_child;

static void sleeps(void *arg)
{
	green_sleep_ns(3600000 * MS);
}

static int forks_in_main(void *arg)
{
	/* It is left by the parent's end, and by the child's. */
	green_detach(green_go(sleeps, NULL));
	green_sleep_ns(MS);
	main_child = fork();
	return main_child ? 1 : 2;
}

static int answers(void *arg)
{
	char *c = malloc(1);
	int fd[2];

	MUST(!pipe(fd));
	MUST(green_write(fd[1], "x", 1) == 1 && green_read(fd[0], c, 1) == 1);
	close(fd[0]);
	close(fd[1]);
	free(c);
	return arg ? *(int *)arg : 0;
}

/* With one worker: the other's stack is not that of green_run()'s caller. */
TEST(a_child_returns_from_green_run_and_calls_it_again)
{
	int status, ret, seven = 7;

	fflush(NULL);
	ret = green_run(&alone, forks_in_main, NULL);
	if (!main_child) {
		if (ret != 2)
			_exit(1);
		_exit(green_run(&alone, answers, &seven));
	}
	EXPECT_EQ(1, ret);
	EXPECT_EQ(main_child, waitpid(main_child, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(7, WEXITSTATUS(status));
}

static void runs_again(void *arg)
{
	struct green_options opt = { .workers = 2, .max_stack = 1 << 20 };
	int *n = calloc(1, sizeof(*n)), seven = 7, i;
	green_t *t;

	GREEN_SCOPE;
	green_defer(note, 'd');
	*(pid_t *)arg = fork();
	if (*(pid_t *)arg)
		return;
	for (i = 0; i < 3; i++)
		CHILD_MUST(green_run(i % 2 ? NULL : &opt, answers, &seven) == 7);
	/* And then it is what it was before. */
	CHILD_MUST(deep(2000) == 2000);
	CHILD_MUST(t = green_go(adds_one, n));
	CHILD_MUST(!green_join(t) && *n == 1);
	CHILD_MUST(!answers(NULL));
}

static int again(void *arg)
{
	char got[16] = "";
	pid_t pid = 0;
	green_t *t;

	MUST(green_run(&alone, answers, NULL) == -EBUSY);
	MUST(!pipe(notes));
	t = green_go(runs_again, &pid);
	MUST(!green_join(t));
	MUST(reap(pid) == 0);
	MUST(read(notes[0], got, sizeof(got)) == 2 && !strcmp(got, "dd"));
	return 0;
}

TEST_F(forks, a_child_runs_green_run_in_a_thread)
{
	EXPECT_EQ(0, green_run(&self->opt, again, NULL));
}

static int forks_twice(void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		pid = fork();
		if (!pid) {
			CHILD_MUST(!answers(NULL));
			CHILD_MUST(deep(1000) == 1000);
			_exit(9);
		}
		CHILD_MUST(!answers(NULL));
		_exit(reap(pid));
	}
	return reap(pid);
}

TEST_F(forks, a_child_forks)
{
	EXPECT_EQ(9, green_run(&self->opt, forks_twice, NULL));
}

/* ---- an OS thread that is no worker -------------------------------------- */

static void *forks_outside(void *arg)
{
	pid_t pid = fork();
	int status, seven = 7;

	if (!pid)
		_exit(green_sleep_ns(1) == -EPERM ? green_run(&alone, answers, &seven) : 1);
	waitpid(pid, &status, 0);
	return (void *)(long)status;
}

static int outside(void *arg)
{
	pthread_t thread;
	void *status;

	MUST(!pthread_create(&thread, NULL, forks_outside, NULL));
	MUST(!green_sleep_ns(5 * MS));
	MUST(!pthread_join(thread, &status));
	MUST(WIFEXITED((int)(long)status));
	MUST(!answers(NULL));
	return WEXITSTATUS((int)(long)status);
}

TEST_F(forks, another_os_threads_child_runs_anew)
{
	EXPECT_EQ(7, green_run(&self->opt, outside, NULL));
}

TEST_HARNESS_MAIN
