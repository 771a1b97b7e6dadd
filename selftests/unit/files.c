// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Descriptors in use, and turns at the positions of files, against lists that are searched. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/runtime.h"
#include "base/thread.h"
#include "io/call.h"
#include "io/file.h"

#include "kselftest_harness.h"
#include "aborts.h"
#include "random.h"

#define THREADS	24

FIXTURE(files)
{
	struct green *t;
	struct green_io *io;		/* of each */
};

FIXTURE_SETUP(files)
{
	self->t = calloc(THREADS, sizeof(*self->t));
	self->io = calloc(THREADS, sizeof(*self->io));
	for (int i = 0; i < THREADS; i++) {
		self->t[i].io = &self->io[i];
		self->io[i].t = &self->t[i];
	}
	green_shared = 1;
	ASSERT_EQ(0, green_files_init());
}

FIXTURE_TEARDOWN(files)
{
	green_files_exit();
	free(self->io);
	free(self->t);
}

/* ---- descriptors --------------------------------------------------------- */

/* Neighbours, those of other pages, and such as are equal by their low bits. */
static const int fds[] = { 0, 1, 63, 64, 4095, 65535, 65536, 65536 + 64, 131072, 0x7fffffff };

#define NR_FDS ((unsigned int)(sizeof(fds) / sizeof(*fds)))

/* Calls in the order in which they began. */
struct model {
	struct green *t[THREADS];
	unsigned int nr;
};

static void model_del(struct model *m, const struct green *t)
{
	unsigned int i = 0;

	while (m->t[i] != t)
		i++;
	for (m->nr--; i < m->nr; i++)
		m->t[i] = m->t[i + 1];
}

static struct green *newest(const struct model *m, int fd, unsigned int *nr)
{
	struct green *t = NULL;

	*nr = 0;
	for (unsigned int i = 0; i < m->nr; i++) {
		if (m->t[i]->io->fd == fd) {
			t = m->t[i];
			++*nr;
		}
	}
	return t;
}

static bool same(const struct model *m)
{
	for (unsigned int i = 0; i < NR_FDS; i++) {
		unsigned int nr;
		struct green *t = newest(m, fds[i], &nr);
		bool right;

		green_file_lock(fds[i]);
		right = green_file_first(fds[i]) == t &&
			green_file_closes(fds[i]) == (t && t->io->op == OP_CLOSE) &&
			(!t || green_file_shared(t) == (nr > 1));
		green_file_unlock(fds[i]);
		if (!right)
			return false;
	}
	return true;
}

TEST_F(files, calls_are_found_by_their_descriptors)
{
	struct random r = { 1 };
	struct model m = { .nr = 0 };
	unsigned int closes = 0;

	for (int step = 0; step < 20000; step++) {
		struct green *t = &self->t[random_below(&r, THREADS)], *closer = NULL;
		unsigned int i, nr;

		for (i = 0; i < m.nr && m.t[i] != t; i++)
			;
		if (i == m.nr) {
			t->io->fd = fds[random_below(&r, NR_FDS)];
			t->io->op = random_below(&r, 8) ? OP_READ : OP_CLOSE;
			green_file_lock(t->io->fd);
			/* None begins on one that is being closed. */
			if (!green_file_closes(t->io->fd)) {
				green_file_enter(t);
				m.t[m.nr++] = t;
			}
			green_file_unlock(t->io->fd);
		} else {
			green_file_lock(t->io->fd);
			closer = green_file_leave(t);
			green_file_unlock(t->io->fd);
			model_del(&m, t);
			/* The last one before it. */
			t = newest(&m, t->io->fd, &nr);
			ASSERT_EQ(nr == 1 && t->io->op == OP_CLOSE ? t : NULL, closer);
			closes += !!closer;
		}
		ASSERT_TRUE(same(&m));
	}
	EXPECT_LT(100, closes);
}

TEST_F(files, a_child_has_none_of_its_parents_calls)
{
	for (unsigned int i = 0; i < NR_FDS; i++) {
		self->t[i].io->fd = fds[i];
		green_file_enter(&self->t[i]);
	}
	green_files_forked();
	for (unsigned int i = 0; i < NR_FDS; i++)
		EXPECT_EQ(NULL, green_file_first(fds[i]));
}

#define ADDERS	4
#define ROUNDS	20000
#define COUNTED	512

static long counts[COUNTED];

static void *counts_under_locks(void *seed)
{
	struct random r = { (uintptr_t)seed };

	for (int i = 0; i < ROUNDS; i++) {
		int fd = (int)random_below(&r, COUNTED);

		/* Two that share an entry share its lock. */
		green_file_lock(fd + (i % 2 ? 65536 : 0));
		counts[fd]++;
		green_file_unlock(fd + (i % 2 ? 65536 : 0));
	}
	return NULL;
}

TEST_F(files, locks_exclude_while_the_table_grows)
{
	pthread_t thread[ADDERS];
	long sum = 0;

	for (uintptr_t i = 0; i < ADDERS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, counts_under_locks, (void *)(i + 1)));
	for (int i = 0; i < ADDERS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < COUNTED; i++)
		sum += counts[i];
	EXPECT_EQ(ADDERS * ROUNDS, sum);
}

static void two_locks(void *unused)
{
	green_file_lock(2);
	green_file_lock(1);
	(void)unused;
}

static void wrong_order(void *t)
{
	green_turns_lock(((struct green *)t)->io);
	green_file_lock(1);
}

TEST_F(files, assertions_notice_the_order_of_locks)
{
	EXPECT_TRUE(aborts(two_locks, NULL));
	EXPECT_TRUE(aborts(wrong_order, self->t));
}

/* ---- turns --------------------------------------------------------------- */

/* Two open files of one inode, and two descriptors of the first. */
static bool open_files(int fd[3])
{
	char path[32];

	fd[0] = memfd_create("turns", 0);
	fd[1] = dup(fd[0]);
	sprintf(path, "/proc/self/fd/%d", fd[0]);
	fd[2] = open(path, O_RDWR);
	return fd[0] >= 0 && fd[1] >= 0 && fd[2] >= 0;
}

enum turn { NO_TURN, HAS_TURN, WAITS };

static bool is_one(const enum turn *turn, const int *file, enum turn what, int which)
{
	for (int i = 0; i < THREADS; i++)
		if (turn[i] == what && file[i] == which)
			return true;
	return false;
}

TEST_F(files, one_at_a_time_at_a_position)
{
	enum turn turn[THREADS] = { NO_TURN };
	struct random r = { 1 };
	struct green_turns *turns;
	struct stat st;
	int fd[3], file[THREADS], passed = 0;

	ASSERT_TRUE(open_files(fd) && !fstat(fd[0], &st));
	for (int step = 0; step < 20000; step++) {
		int i = (int)random_below(&r, THREADS), which = (int)random_below(&r, 3);
		struct green *t = &self->t[i], *next;

		if (turn[i] == NO_TURN) {
			file[i] = which == 2;
			*t->io = (struct green_io){ .t = t, .fd = fd[which], .ino = st.st_ino, .dev = st.st_dev };
			turns = green_turns_lock(t->io);
			turn[i] = green_turn_take(turns, t) ? HAS_TURN : WAITS;
			green_turns_unlock(turns);
			which = file[i];
			file[i] = -1;
			ASSERT_EQ(!is_one(turn, file, HAS_TURN, which), turn[i] == HAS_TURN);
			file[i] = which;
			continue;
		}
		turns = green_turns_lock(t->io);
		next = green_turn_leave(turns, t);
		green_turns_unlock(turns);
		if (turn[i] == WAITS) {
			turn[i] = NO_TURN;
			ASSERT_EQ(NULL, next);
			continue;
		}
		turn[i] = NO_TURN;
		/* One who waited has it now; there is none only if none waits. */
		ASSERT_EQ(is_one(turn, file, WAITS, file[i]), !!next);
		if (next) {
			ASSERT_EQ(WAITS, turn[next - self->t]);
			ASSERT_EQ(file[i], file[next - self->t]);
			turn[next - self->t] = HAS_TURN;
			passed++;
		}
	}
	EXPECT_LT(100, passed);
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

TEST_HARNESS_MAIN
