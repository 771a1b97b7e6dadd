// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What threads wait for, as green_dump() and the report of a deadlock tell it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workers.h"

WITH_WORKERS(dump);

static struct {
	struct green_mutex mutex;
	struct green_rwlock rwlock;
	struct green_cond cond;
	struct green_mutex with_cond;
	struct green_sem sem, before;
	struct green_waitgroup group;
	struct green_event event;
	green_chan_t *chan;
	green_t *sleeper;
	int fd[2];
	char fifo[40];
} in;

/* No call is the last thing that a function does: then its caller's place would be told. */
static int ended;

static void locks(void *arg)	{ ended += green_mutex_lock(&in.mutex); }
static void writes(void *arg)	{ ended += green_rwlock_wrlock(&in.rwlock); }
static void posts(void *arg)	{ ended += green_sem_wait(&in.sem); }
static void waits(void *arg)	{ ended += green_waitgroup_wait(&in.group); }
static void sets(void *arg)	{ ended += green_event_wait(&in.event); }
static void joins(void *arg)	{ ended += green_join(in.sleeper); }

/* What it waited in before is not what it waits for now. */
static void sleeps(void *arg)
{
	green_sem_wait(&in.before);
	ended += green_sleep_ns(3600000 * MS);
}

/* A FIFO that nobody writes; it has no descriptor yet. */
static void opens(void *arg)
{
	ended += green_openat(AT_FDCWD, in.fifo, O_RDONLY, 0);
}

static void conditions(void *arg)
{
	green_mutex_lock(&in.with_cond);
	green_cond_wait(&in.cond, &in.with_cond);
	green_mutex_unlock(&in.with_cond);
}

static void reads(void *arg)
{
	char c;

	ended += green_read(in.fd[0], &c, 1);
}

static void receives(void *arg)
{
	long v;

	ended += green_chan_recv(in.chan, &v);
}

static void selects(void *arg)
{
	static long v;
	struct green_case c = GREEN_RECV(in.chan, &v);

	ended += green_select(&c, 1);
}

static const struct {
	void (*fn)(void *);
	const char *name, *what;
} kinds[] = {
	{ locks, "locks", "waits for mutex at 0x" },
	{ writes, "writes", "waits for rwlock, to write at 0x" },
	{ posts, "posts", "waits for semaphore at 0x" },
	{ waits, "waits", "waits for wait group at 0x" },
	{ sets, "sets", "waits for event at 0x" },
	{ sleeps, "sleeps", "waits for sleep for " },
	{ joins, "joins", "waits for the end of thread " },
	{ conditions, "conditions", "waits for condition at 0x" },
	{ opens, "opens", "waits for openat for " },
	{ reads, "reads", "waits for read of descriptor " },
	{ receives, "receives", "waits for chan recv at 0x" },
	{ selects, "selects", "waits for select" },
};
#define KINDS (int)(sizeof(kinds) / sizeof(kinds[0]))

/* What a dump says; it is to fit into a pipe. */
static char said[8192];
static int nr;

static void dump(void)
{
	int fd[2];
	ssize_t n;

	if (pipe(fd))
		abort();
	nr = green_dump(fd[1]);
	close(fd[1]);
	n = read(fd[0], said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = 0;
	close(fd[0]);
}

/* The line of the thread of that name, or "". */
static const char *line_of(const char *name)
{
	static char line[300];
	char start[60];
	const char *s;

	snprintf(start, sizeof(start), " (%s): ", name);
	s = strstr(said, start);
	snprintf(line, sizeof(line), "%.*s", s ? (int)strcspn(s, "\n") : 0, s ?: "");
	return line;
}

static bool says(const char *name, const char *what)
{
	return strstr(line_of(name), what);
}

/* For how long it has waited, or -1. */
static long ms_of(const char *name)
{
	const char *line = line_of(name), *end = strstr(line, " ms, at ");

	while (end && end > line && end[-1] >= '0' && end[-1] <= '9')
		end--;
	return end ? atol(end) : -1;
}

static bool all_wait(void)
{
	dump();
	for (int i = 0; i < KINDS; i++)
		if (!says(kinds[i].name, "waits"))
			return false;
	return true;
}

static int one_of_each(void *arg)
{
	green_t *t[KINDS];
	int wrong = 0;

	memset(&in, 0, sizeof(in));
	in.chan = green_chan_new(sizeof(long), 0);
	snprintf(in.fifo, sizeof(in.fifo), "/tmp/green-dump-%d", getpid());
	if (pipe(in.fd) || mkfifo(in.fifo, 0600))
		return -errno;
	green_mutex_lock(&in.mutex);
	green_rwlock_rdlock(&in.rwlock);
	green_waitgroup_add(&in.group, 1);
	for (int i = 0; i < KINDS; i++) {
		struct green_attr attr = { .name = kinds[i].name };

		t[i] = green_go_opt(&attr, kinds[i].fn, NULL);
		if (kinds[i].fn == sleeps)
			in.sleeper = t[i];
	}
	for (dump(); !says("sleeps", "waits for semaphore"); dump())
		green_sleep_ns(MS);
	green_sem_post(&in.before);
	while (!all_wait() || !says("sleeps", "waits for sleep"))
		green_sleep_ns(MS);
	green_sleep_ns(40 * MS);
	dump();
	wrong += WRONG(nr == KINDS + 1);
	wrong += WRONG(says("main", "runs, at one_of_each+0x") || says("main", "runs, at dump+0x"));
	for (int i = 0; i < KINDS; i++) {
		char place[60];
		int bad;

		snprintf(place, sizeof(place), " ms, at %s+0x", kinds[i].name);
		bad = !says(kinds[i].name, kinds[i].what) || !says(kinds[i].name, place) ||
		      ms_of(kinds[i].name) < 40;
		if (bad)
			dprintf(1, "# %s: %s\n", kinds[i].name, line_of(kinds[i].name));
		wrong += bad;
	}
	for (int i = KINDS - 1; i >= 0; i--) {
		green_cancel(t[i]);
		green_join(t[i]);
	}
	green_rwlock_unlock(&in.rwlock);
	green_mutex_unlock(&in.mutex);
	close(in.fd[0]);
	close(in.fd[1]);
	unlink(in.fifo);
	green_chan_free(in.chan);
	return wrong;
}

GREEN_TEST(dump, says_what_where_and_for_how_long, one_of_each);

/* ---- while others begin, wait and end ------------------------------------------ */

static int over, null;

static void short_lived(void *arg)
{
	green_sleep_ns((uintptr_t)arg % 3 * 1000);
}

static void busy(void *arg)
{
	while (!look(&over)) {
		green_t *t[3];

		for (uintptr_t i = 0; i < 3; i++)
			t[i] = green_go(short_lived, (void *)i);
		for (int i = 0; i < 3; i++)
			green_join(t[i]);
	}
}

static int among_busy_ones(void *arg)
{
	green_t *t[8];
	int wrong = 0;

	over = 0;
	for (int i = 0; i < 8; i++)
		t[i] = green_go(busy, NULL);
	for (int i = 0; i < 300; i++) {
		int n = green_dump(null);

		/* More than there are at once: some end, and others begin, while it looks. */
		wrong += n < 9;
		green_yield();
	}
	set(&over, 1);
	for (int i = 0; i < 8; i++)
		green_join(t[i]);
	return wrong;
}

TEST_F(dump, of_threads_that_come_and_go)
{
	null = open("/dev/null", O_WRONLY);
	EXPECT_EQ(0, green_run(&self->opt, among_busy_ones, NULL));
	setenv("GREEN_DEBUG", "move=park", 1);
	EXPECT_EQ(0, green_run(&self->opt, among_busy_ones, NULL));
	unsetenv("GREEN_DEBUG");
	close(null);
}

static int to_nowhere(void *arg)
{
	errno = 7;
	return WRONG(green_dump(-1) == -EBADF) + WRONG(errno == 7);
}

GREEN_TEST(dump, says_why_it_cannot_write, to_nowhere);

TEST(outside_of_green_threads)
{
	EXPECT_EQ(-EPERM, green_dump(1));
}

/* ---- nobody can go on ------------------------------------------------------------ */

static int all_receive(void *arg)
{
	static const struct green_attr attr = { .name = "other" };

	in.chan = green_chan_new(sizeof(long), 0);
	green_go_opt(&attr, receives, NULL);
	receives(NULL);
	return 0;
}

/* What green_run() says on stderr. */
static int deadlock(struct green_options opt, int quiet)
{
	int fd[2], status;
	size_t n = 0;
	ssize_t r;

	opt.quiet = quiet;
	if (pipe(fd))
		return -1;
	if (!fork()) {
		dup2(fd[1], STDERR_FILENO);
		_exit(green_run(&opt, all_receive, NULL) != -EDEADLK);
	}
	close(fd[1]);
	while ((r = read(fd[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += r;
	said[n] = 0;
	close(fd[0]);
	wait(&status);
	return status;
}

TEST_F(dump, a_deadlock_says_who_waits_for_what)
{
	EXPECT_EQ(0, deadlock(self->opt, 0));
	EXPECT_TRUE(says("other", "waits for chan recv at 0x"));
	EXPECT_TRUE(says("other", ", at receives+0x"));
	EXPECT_TRUE(says("main", "waits for chan recv at 0x"));
	EXPECT_NE(NULL, strstr(said, "deadlock: each of 2 threads waits for another"));
	EXPECT_EQ(0, deadlock(self->opt, 1));
	EXPECT_STREQ("", said);
}

TEST_HARNESS_MAIN
