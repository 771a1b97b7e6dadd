// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The I/O calls do what the system calls of their names do, where io_uring's
 * operations would not. With one worker, with two, and with four.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define MUST(c) do { if (!(c)) return __LINE__; } while (0)

/* Scaled: on a slow machine all of it takes longer. */
#define MS (1000000ull * test_pace())
#define LONG (20000 * MS)		/* it would hang */

FIXTURE(exact)
{
	struct green_options opt;
	char dir[32];
};

FIXTURE_VARIANT(exact)
{
	unsigned int workers;
};

FIXTURE_VARIANT_ADD(exact, one_worker) { .workers = 1 };
FIXTURE_VARIANT_ADD(exact, two_workers) { .workers = 2 };
FIXTURE_VARIANT_ADD(exact, four_workers) { .workers = 4 };

FIXTURE_SETUP(exact)
{
	self->opt.workers = variant->workers;
	strcpy(self->dir, "/tmp/green-exact-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
}

FIXTURE_TEARDOWN(exact)
{
	EXPECT_EQ(0, rmdir(self->dir));
}

static void in(char *path, const char *dir, const char *name, long nr)
{
	sprintf(path, "%s/%s%ld", dir, name, nr);
}

/* ---- lengths and offsets ------------------------------------------------- */

static int lengths(void *arg)
{
	size_t gib = 1UL << 30;
	char *mem = mmap(NULL, 5 * gib, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int s[2];

	MUST(mem != MAP_FAILED);
	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	green_deadline(green_now_ns() + LONG);
	MUST(write(s[1], "hello", 5) == 5);
	MUST(green_recv(s[0], mem, 4 * gib, MSG_PEEK) == 5);
	MUST(green_recv(s[0], mem, 3 * gib, MSG_PEEK) == 5);
	MUST(green_read(s[0], mem, 4 * gib) == 5);
	/* It waits for room, and what was sent by then is the result. */
	green_deadline(green_now_ns() + 100 * MS);
	MUST(green_send(s[0], mem, 4 * gib, 0) > 0);
	green_deadline(0);
	close(s[0]);
	close(s[1]);
	return munmap(mem, 5 * gib);
}

TEST_F(exact, lengths_beyond_four_gib)
{
	EXPECT_EQ(0, green_run(&self->opt, lengths, NULL));
}

static int offsets(void *arg)
{
	int fd = memfd_create("offsets", 0), p[2];
	char c = 0;

	MUST(fd >= 0 && !pipe(p));
	MUST(write(fd, "abcd", 4) == 4 && write(p[1], "p", 1) == 1);
	MUST(lseek(fd, 2, SEEK_SET) == 2);
	MUST(green_pread(fd, &c, 1, -1) == -EINVAL);
	MUST(green_pread(fd, &c, 1, INT64_MIN) == -EINVAL);
	MUST(lseek(fd, 0, SEEK_CUR) == 2);
	MUST(green_pread(fd, &c, 1, 1) == 1 && c == 'b');
	errno = 0;
	MUST(green_pread(p[0], &c, 1, 0) == -ESPIPE);
	MUST(green_pread(12345, &c, 1, 0) == -EBADF);
	MUST(errno == 0);
	MUST(green_read(p[0], &c, 1) == 1 && c == 'p');
	close(fd);
	close(p[0]);
	close(p[1]);
	return 0;
}

TEST_F(exact, offsets_are_checked)
{
	EXPECT_EQ(0, green_run(&self->opt, offsets, NULL));
}

/* ---- the position -------------------------------------------------------- */

#define BLOCKS 1024
#define BLOCK 4096

static int shared_fd[2];
static int seen[BLOCKS];

static void reads_blocks(void *arg)
{
	long *block = aligned_alloc(BLOCK, BLOCK);

	while (green_read(*(int *)arg, block, BLOCK) == BLOCK)
		__atomic_fetch_add(&seen[*block], 1, __ATOMIC_RELAXED);
	free(block);
}

/* Half of them by another descriptor of the same open file. */
static int blocks(void *arg)
{
	green_t *t[32];
	int i;

	for (i = 0; i < 32; i++)
		MUST(t[i] = green_go(reads_blocks, &shared_fd[i % 2]));
	for (i = 0; i < 32; i++)
		MUST(!green_join(t[i]));
	return 0;
}

static int file_of_blocks(const char *path)
{
	long block[BLOCK / sizeof(long)] = { 0 };
	int fd = open(path, O_CREAT | O_RDWR, 0600), i;

	for (i = 0; i < BLOCKS; i++) {
		block[0] = i;
		if (write(fd, block, BLOCK) != BLOCK)
			return -1;
	}
	/* Not from memory, where each read would be over at once. */
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static int blocks_read_wrong(struct __test_metadata *_metadata, const struct green_options *opt,
			     const char *dir)
{
	char path[64];
	int fd, i, wrong = 0;

	in(path, dir, "file", 0);
	fd = file_of_blocks(path);
	if (fd < 0)
		return -1;
	shared_fd[0] = fd;
	shared_fd[1] = dup(fd);
	memset(seen, 0, sizeof(seen));
	EXPECT_EQ(0, green_run(opt, blocks, NULL));
	for (i = 0; i < BLOCKS; i++)
		wrong += seen[i] != 1;
	close(shared_fd[0]);
	close(shared_fd[1]);
	unlink(path);
	return wrong;
}

TEST_F(exact, each_block_is_read_once)
{
	EXPECT_EQ(0, blocks_read_wrong(_metadata, &self->opt, self->dir));
}

/* What knows no read without a wait (tmpfs on some kernels) goes another way. */
TEST_F(exact, each_block_of_a_file_in_memory_is_read_once)
{
	char dir[] = "/dev/shm/green-exact-XXXXXX";
	int i;

	if (!mkdtemp(dir))
		SKIP(return, "no /dev/shm");
	for (i = 0; i < 10; i++)
		EXPECT_EQ(0, blocks_read_wrong(_metadata, &self->opt, dir));
	rmdir(dir);
}

struct reader {
	int fd;
	long block[BLOCK / sizeof(long)];
};

static void reads_one(void *arg)
{
	struct reader *r = arg;

	if (green_read(r->fd, r->block, BLOCK) != BLOCK)
		r->block[0] = -1;
}

/* The disk has answered the first, which does not know yet: the second is not to be it again. */
static int reads_what_is_on_its_way(void *arg)
{
	static struct reader first, second;
	int fd = *(int *)arg, i, k;

	first.fd = second.fd = fd;
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	for (i = 0; i + 1 < BLOCKS && i < 100; i += 2) {
		green_t *t = green_go(reads_one, &first);
		uint64_t until;

		MUST(t);
		/* It has begun, and is on its way to the disk. */
		for (k = 0; k < 200; k++)
			green_yield();
		until = green_now_ns() + 500000;
		while (green_now_ns() < until)
			;
		reads_one(&second);
		MUST(!green_join(t));
		MUST(first.block[0] != second.block[0]);
		MUST(first.block[0] + second.block[0] == 2 * i + 1);
	}
	return 0;
}

TEST_F(exact, what_is_on_its_way_is_not_read_again)
{
	char path[64];
	int fd;

	in(path, self->dir, "file", 0);
	fd = file_of_blocks(path);
	ASSERT_LE(0, fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	EXPECT_EQ(0, green_run(&self->opt, reads_what_is_on_its_way, &fd));
	close(fd);
	unlink(path);
}

/* ---- opening a FIFO ------------------------------------------------------ */

#define FIFOS 40

struct fifo {
	char path[64];
	int flags;
	int fd;
};

static void opens(void *arg)
{
	struct fifo *f = arg;

	f->fd = green_openat(AT_FDCWD, f->path, f->flags, 0);
}

static int opens_fifos(void *arg)
{
	struct fifo *f = arg;
	green_t *t[2 * FIFOS];
	int i;

	/* More than the kernel has threads for by itself. */
	for (i = 0; i < FIFOS; i++)
		MUST(t[i] = green_go(opens, &f[i]));
	green_sleep_ns(20 * MS);
	for (i = 0; i < FIFOS; i++)
		MUST(f[i].fd == -1);
	for (i = FIFOS; i < 2 * FIFOS; i++)
		MUST(t[i] = green_go(opens, &f[i]));
	green_deadline(green_now_ns() + LONG);
	for (i = 0; i < 2 * FIFOS; i++)
		MUST(!green_join(t[i]) && f[i].fd >= 0);
	for (i = 0; i < FIFOS; i++) {
		int from = f[i].flags == O_RDONLY ? i : i + FIFOS;
		int to = f[i].flags == O_RDONLY ? i + FIFOS : i;
		char c;

		MUST(green_write(f[to].fd, "x", 1) == 1);
		MUST(green_read(f[from].fd, &c, 1) == 1);
		MUST(!green_close(f[from].fd));
		MUST(green_write(f[to].fd, "x", 1) == -EPIPE);
		MUST(!green_close(f[to].fd));
	}
	MUST(green_openat(AT_FDCWD, f[0].path, O_WRONLY | O_NONBLOCK, 0) == -ENXIO);
	green_deadline(green_now_ns() + 10 * MS);
	MUST(green_openat(AT_FDCWD, f[0].path, O_WRONLY, 0) == -ETIMEDOUT);
	return 0;
}

TEST_F(exact, an_open_of_a_fifo_waits)
{
	static struct fifo f[2 * FIFOS];
	int i;

	for (i = 0; i < FIFOS; i++) {
		in(f[i].path, self->dir, "fifo", i);
		f[i + FIFOS] = f[i];
		f[i].flags = i % 2 ? O_RDONLY : O_WRONLY;
		f[i + FIFOS].flags = i % 2 ? O_WRONLY : O_RDONLY;
		f[i].fd = f[i + FIFOS].fd = -1;
		ASSERT_EQ(0, mkfifo(f[i].path, 0600));
	}
	EXPECT_EQ(0, green_run(&self->opt, opens_fifos, f));
	for (i = 0; i < FIFOS; i++)
		unlink(f[i].path);
}

/* ---- writes -------------------------------------------------------------- */

#define MUCH (1 << 20)

struct way {
	int from, to;
	size_t got;
};

static void drains(void *arg)
{
	struct way *w = arg;
	char *buf = malloc(5000);
	ssize_t n;

	while ((n = green_read(w->from, buf, 5000)) > 0)
		w->got += n;
	free(buf);
}

static int writes_much(void *arg)
{
	static char much[MUCH];
	struct way w[2] = { 0 };
	green_t *t[2];
	int fd[2], i;

	MUST(!pipe(fd));
	w[0] = (struct way){ fd[0], fd[1], 0 };
	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
	w[1] = (struct way){ fd[0], fd[1], 0 };
	for (i = 0; i < 2; i++)
		MUST(t[i] = green_go(drains, &w[i]));
	green_deadline(green_now_ns() + LONG);
	MUST(green_write(w[0].to, much, MUCH) == MUCH);
	MUST(green_write(w[1].to, much, MUCH) == MUCH);
	MUST(green_send(w[1].to, much, MUCH, 0) == MUCH);
	for (i = 0; i < 2; i++) {
		MUST(!green_close(w[i].to));
		MUST(!green_join(t[i]));
		MUST(w[i].got == MUCH * (i + 1UL));
		MUST(!green_close(w[i].from));
	}
	/* Nobody reads: what was written by the deadline. */
	MUST(!pipe(fd));
	green_deadline(green_now_ns() + 50 * MS);
	MUST(green_write(fd[1], much, MUCH) == fcntl(fd[1], F_GETPIPE_SZ));
	green_deadline(0);
	MUST(!green_close(fd[0]) && !green_close(fd[1]));
	return 0;
}

TEST_F(exact, a_write_writes_all)
{
	EXPECT_EQ(0, green_run(&self->opt, writes_much, NULL));
}

static int signals;

static void counts(int sig)
{
	signals++;
}

/* When it is full, and so its writer waits. */
static void closes_later(void *arg)
{
	int fd = *(int *)arg, n = 0;

	while (!ioctl(fd, FIONREAD, &n) && n < fcntl(fd, F_GETPIPE_SZ))
		green_sleep_ns(MS);
	close(fd);
}

static int writes_to_nobody(void *arg)
{
	static char much[MUCH];
	int fd[2], i;

	for (i = 0; i < 3; i++) {
		MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, fd));
		close(fd[1]);
		MUST((i ? green_send(fd[0], "x", 1, 0) : green_write(fd[0], "x", 1)) == -EPIPE);
		close(fd[0]);
	}
	MUST(!pipe(fd));
	close(fd[0]);
	for (i = 0; i < 3; i++)
		MUST(green_write(fd[1], "x", 1) == -EPIPE);
	close(fd[1]);
	/* It goes away while the write waits: part of that was done. */
	MUST(!pipe(fd));
	green_detach(green_go(closes_later, &fd[0]));
	MUST(green_write(fd[1], much, MUCH) > 0);
	MUST(green_write(fd[1], much, MUCH) == -EPIPE);
	/* A system call of the program's own is none of our business. */
	if (arg)
		MUST(write(fd[1], "x", 1) == -1 && errno == EPIPE);
	close(fd[1]);
	return 0;
}

TEST_F(exact, no_sigpipe_but_the_programs_own)
{
	struct sigaction sa;

	signals = 0;
	signal(SIGPIPE, counts);
	EXPECT_EQ(0, green_run(&self->opt, writes_to_nobody, NULL));
	EXPECT_EQ(0, signals);
	EXPECT_EQ(0, green_run(&self->opt, writes_to_nobody, "own"));
	EXPECT_EQ(1, signals);
	sigaction(SIGPIPE, NULL, &sa);
	EXPECT_TRUE(sa.sa_handler == counts);
}

static int installs_first(void *arg)
{
	struct sigaction sa;

	signal(SIGPIPE, SIG_IGN);
	MUST(!writes_to_nobody("own") && !signals);
	MUST(signal(SIGPIPE, counts) == SIG_IGN);
	MUST(!sigaction(SIGPIPE, NULL, &sa) && sa.sa_handler == counts);
	MUST(!(sa.sa_flags & (SA_ONSTACK | SA_SIGINFO)));
	return writes_to_nobody("own");
}

TEST_F(exact, nor_for_handlers_that_come_later)
{
	struct sigaction sa;

	signals = 0;
	signal(SIGPIPE, SIG_DFL);
	EXPECT_EQ(0, green_run(&self->opt, installs_first, NULL));
	EXPECT_EQ(1, signals);
	sigaction(SIGPIPE, NULL, &sa);
	EXPECT_TRUE(sa.sa_handler == counts && !(sa.sa_flags & SA_ONSTACK));
}

static int killed(struct green_options *opt, void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(green_run(opt, writes_to_nobody, arg) ? 1 : 0);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

TEST_F(exact, nor_does_it_kill)
{
	signal(SIGPIPE, SIG_DFL);
	EXPECT_EQ(0, killed(&self->opt, NULL));
	EXPECT_EQ(SIGPIPE, killed(&self->opt, "own"));
	signal(SIGPIPE, SIG_IGN);
	EXPECT_EQ(0, killed(&self->opt, "own"));
}

/* ---- close --------------------------------------------------------------- */

struct waiter {
	int (*call)(int fd);
	int fd;
	int ret;
};

static int accepts(int fd)
{
	return green_accept(fd, NULL, NULL, 0);
}

static int receives(int fd)
{
	char c;

	return green_recv(fd, &c, 1, 0);
}

static int reads(int fd)
{
	char c;

	return green_read(fd, &c, 1);
}

static int polls(int fd)
{
	return green_poll(fd, POLLIN);
}

static void waits(void *arg)
{
	struct waiter *w = arg;

	w->ret = w->call(w->fd);
}

static int listens(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (void *)addr, len) || listen(fd, 64) || getsockname(fd, (void *)addr, &len))
		return -1;
	return fd;
}

static int closes_all(void *arg)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int l = listens(&addr), s[2], p[2], d, i, n = 0;
	struct waiter w[10];
	green_t *t[10];

	MUST(l >= 0 && !socketpair(AF_UNIX, SOCK_STREAM, 0, s) && !pipe(p));
	MUST((d = dup(p[0])) >= 0);
	w[n++] = (struct waiter){ accepts, l, 1 };
	w[n++] = (struct waiter){ accepts, l, 1 };
	w[n++] = (struct waiter){ polls, l, 1 };
	w[n++] = (struct waiter){ receives, s[0], 1 };
	w[n++] = (struct waiter){ reads, s[0], 1 };
	w[n++] = (struct waiter){ reads, p[0], 1 };
	w[n++] = (struct waiter){ reads, p[0], 1 };
	w[n++] = (struct waiter){ polls, p[0], 1 };
	w[n++] = (struct waiter){ reads, d, 1 };
	for (i = 0; i < n; i++)
		MUST(t[i] = green_go(waits, &w[i]));
	green_sleep_ns(10 * MS);
	MUST(!green_close(l) && !green_close(s[0]) && !green_close(p[0]));
	/* They ended before the close did. */
	green_deadline(green_now_ns() + LONG);
	for (i = 0; i < n - 1; i++) {
		MUST(!green_join(t[i]));
		MUST(w[i].ret == -ECANCELED);
	}
	MUST(green_close(l) == -EBADF);
	/* The port is free, and nobody answers there. */
	l = socket(AF_INET, SOCK_STREAM, 0);
	MUST(green_connect(l, (void *)&addr, sizeof(addr)) == -ECONNREFUSED);
	close(l);
	l = listens(&addr);
	MUST(l >= 0);
	/* Another descriptor of the same file is not closed. */
	MUST(green_write(p[1], "x", 1) == 1);
	MUST(!green_join(t[n - 1]) && w[n - 1].ret == 1);
	close(l);
	close(d);
	close(p[1]);
	close(s[1]);
	return 0;
}

TEST_F(exact, close_ends_those_who_wait)
{
	EXPECT_EQ(0, green_run(&self->opt, closes_all, NULL));
}

#define CLOSED	16
#define ROUNDS	30

/* A pair, whose first end many read from and one closes. */
struct closed {
	int fd[2];
	atomic_int began, bad;
	green_t *reader[4];
};

/* Until it is closed: in the middle of a read, or between two. */
static void reads_until_closed(void *arg)
{
	struct closed *c = arg;
	ssize_t n;
	char b;

	c->began++;
	while ((n = green_read(c->fd[0], &b, 1)) == 1)
		;
	c->bad += n != -ECANCELED && n != -EBADF;
}

static void writes_and_closes(void *arg)
{
	struct closed *c = arg;
	ssize_t n;

	while (c->began < 4)
		green_yield();
	for (int i = 0; i < 8; i++)
		c->bad += green_write(c->fd[1], "x", 1) != 1;
	c->bad += green_close(c->fd[0]) != 0;
	/* Soon nobody has it any more, the kernel neither, and the other end knows. */
	while ((n = green_write(c->fd[1], "x", 1)) == 1)
		;
	c->bad += n != -EPIPE;
	for (int i = 0; i < 4; i++)
		c->bad += green_join(c->reader[i]) != 0;
	c->bad += green_close(c->fd[1]) != 0;
}

/* Until all have ended no descriptor is opened, and so none is another's. */
static int closes_amid(void *arg)
{
	static struct closed c[CLOSED];
	green_t *closer[CLOSED];
	int round, i, k;

	for (round = 0; round < ROUNDS; round++) {
		memset(c, 0, sizeof(c));
		for (i = 0; i < CLOSED; i++)
			MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, c[i].fd));
		green_deadline(green_now_ns() + LONG);
		for (i = 0; i < CLOSED; i++) {
			for (k = 0; k < 4; k++)
				MUST(c[i].reader[k] = green_go(reads_until_closed, &c[i]));
			MUST(closer[i] = green_go(writes_and_closes, &c[i]));
		}
		for (i = 0; i < CLOSED; i++)
			MUST(!green_join(closer[i]) && !c[i].bad);
	}
	return 0;
}

TEST_F(exact, closes_amid_calls_of_other_workers)
{
	EXPECT_EQ(0, green_run(&self->opt, closes_amid, NULL));
}

/* ---- what cannot be done ------------------------------------------------- */

static int failed(long ret)
{
	return ret < 0 ? -errno : (int)ret;
}

/* The calls fail as the system calls do, at once. */
static int fails_alike(int fd)
{
	char buf[8] = { 1 };

	green_deadline(green_now_ns() + LONG);
	MUST(green_read(fd, buf, 8) == failed(read(fd, buf, 8)));
	MUST(green_write(fd, buf, 8) == failed(write(fd, buf, 8)));
	MUST(green_pread(fd, buf, 8, 0) == failed(pread(fd, buf, 8, 0)));
	MUST(!close(fd) && green_read(fd, buf, 8) == -EBADF);
	return 0;
}

static int fail_alike(void *arg)
{
	int p[2], e = eventfd(0, 0), i;
	int fd[] = {
		epoll_create1(0), (int)syscall(SYS_pidfd_open, getpid(), 0),
		open("/", O_RDONLY | O_DIRECTORY), open("/", O_PATH),
		open("/dev/null", O_RDONLY), open("/dev/null", O_WRONLY),
		open("/proc/self/stat", O_RDONLY),
	};
	char c;

	for (i = 0; i < (int)(sizeof(fd) / sizeof(fd[0])); i++)
		if (fd[i] >= 0 && fails_alike(fd[i]))
			return 1000 + i;
	MUST(green_pread(e, &c, 1, 0) == failed(pread(e, &c, 1, 0)));
	MUST(!pipe(p) && green_read(p[1], &c, 1) == -EBADF);
	MUST(green_write(p[0], &c, 1) == -EBADF);
	close(e);
	close(p[0]);
	close(p[1]);
	return 0;
}

TEST_F(exact, what_a_descriptor_cannot_do_fails_at_once)
{
	EXPECT_EQ(0, green_run(&self->opt, fail_alike, NULL));
}

/* ---- deadlines and cancellations ----------------------------------------- */

#define READERS 8

static int slow_fd;
static atomic_int got, late, wrong; /* of two workers */

/* Until it is cancelled. */
static void reads_with_deadlines(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	char *c = malloc(1);

	GREEN_SCOPE;
	green_defer(free, c);
	for (;;) {
		uint64_t at = green_now_ns() + 50000 + rand_r(&seed) % 100000;
		ssize_t n;

		green_deadline(at);
		n = green_read(slow_fd, c, 1);
		late += green_now_ns() > at + LONG / 2;
		if (n == 1)
			got++;
		else
			wrong += n != -ETIMEDOUT;
	}
}

static void reads_until_cancelled(void *arg)
{
	char *c = malloc(1);

	GREEN_SCOPE;
	green_defer(free, c);
	while (green_read(slow_fd, c, 1) == 1)
		got++;
	wrong++;
}

static int cancels(void *arg)
{
	int to = *(int *)arg, sent = 0, left = 0, i;
	green_t *t[READERS];
	char c;

	slow_fd = ((int *)arg)[1];
	got = late = wrong = 0;

	for (i = 0; i < READERS; i++)
		MUST(t[i] = green_go(reads_with_deadlines, (void *)(long)i));
	for (i = 0; i < 100; i++) {
		green_t *u = green_go(reads_until_cancelled, NULL);

		if (i % 3)
			green_yield();
		MUST(write(to, "x", 1) == 1);
		sent++;
		if (i % 2)
			green_yield();
		MUST(!green_cancel(u));
		green_deadline(green_now_ns() + LONG);
		MUST(green_join(u) == -ECANCELED);
		green_deadline(0);
	}
	for (i = 0; i < READERS; i++)
		MUST(!green_cancel(t[i]));
	green_deadline(green_now_ns() + LONG);
	for (i = 0; i < READERS; i++)
		MUST(green_join(t[i]) == -ECANCELED);
	/* No byte was read for a call that said it had not. */
	fcntl(slow_fd, F_SETFL, O_NONBLOCK);
	while (read(slow_fd, &c, 1) == 1)
		left++;
	MUST(!late && !wrong && sent == got + left);
	return 0;
}

TEST_F(exact, reads_of_a_pipe_end_in_time)
{
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	EXPECT_EQ(0, green_run(&self->opt, cancels, (int[]){ fd[1], fd[0] }));
	close(fd[0]);
	close(fd[1]);
}

/* A raw one, so that what one end writes the other reads. */
static bool open_terminal(int fd[2])
{
	struct termios tio;

	if (openpty(&fd[0], &fd[1], NULL, NULL, NULL))
		return false;
	tcgetattr(fd[1], &tio);
	cfmakeraw(&tio);
	tcsetattr(fd[1], TCSANOW, &tio);
	return true;
}

TEST_F(exact, reads_of_a_terminal_end_in_time)
{
	int fd[2];

	if (!open_terminal(fd))
		SKIP(return, "no terminals");
	EXPECT_EQ(0, green_run(&self->opt, cancels, fd));
	close(fd[0]);
	close(fd[1]);
}

#define SCREENS 200000

static long written;

static void writes_screens(void *arg)
{
	char *buf = malloc(SCREENS);

	GREEN_SCOPE;
	green_defer(free, buf);
	for (int i = 0; i < SCREENS; i++)
		buf[i] = (char)(i / 7);
	written = green_write(*(int *)arg, buf, SCREENS);
}

/* A terminal takes a few KiB at once; who waits to write the rest stands in nobody's way. */
static int terminal_is_full(void *arg)
{
	int *fd = arg, at = 0, i;
	green_t *t = green_go(writes_screens, &fd[1]);
	char buf[512];
	ssize_t n;

	MUST(t);
	green_sleep_ns(10 * MS);
	green_deadline(green_now_ns() + LONG);
	for (; at < SCREENS; at += n) {
		n = green_read(fd[0], buf, sizeof(buf));
		MUST(n > 0);
		for (i = 0; i < n; i++)
			MUST(buf[i] == (char)((at + i) / 7));
	}
	MUST(!green_join(t) && written == SCREENS);
	/* Nobody reads. */
	written = 0;
	t = green_go(writes_screens, &fd[1]);
	MUST(t);
	green_sleep_ns(10 * MS);
	MUST(!green_cancel(t));
	MUST(green_join(t) == -ECANCELED || written > 0);
	MUST(written < SCREENS);
	return 0;
}

TEST_F(exact, a_full_terminal_holds_up_nobody)
{
	int fd[2];

	if (!open_terminal(fd))
		SKIP(return, "no terminals");
	EXPECT_EQ(0, green_run(&self->opt, terminal_is_full, fd));
	close(fd[0]);
	close(fd[1]);
}

/*
 * A job of the terminal fd[1], in its background. Who it is stopped by it finds again
 * when it is in front; its exit status is 0, or -errno.
 */
struct job {
	int fd[2];
	bool writes, ignores;
};

static int uses_terminal(void *arg)
{
	struct job *job = arg;
	char c = 'x';
	ssize_t n;

	n = job->writes ? green_write(job->fd[1], &c, 1) : green_read(job->fd[1], &c, 1);
	return n < 0 ? (int)-n : c != 'x';
}

/* Its end is the caller's, who else might wait for ever when the test's time is over. */
static void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void be_a_job(const struct green_options *opt, struct job *job)
{
	int ret;

	end_with_parent();
	while (tcgetpgrp(job->fd[1]) == getpgrp() || getpgrp() != getpid())
		usleep(1000);
	if (job->ignores)
		signal(SIGTTIN, SIG_IGN);
	ret = green_run(opt, uses_terminal, job);
	_exit(ret < 0 ? 255 : ret);
}

/* The session's shell: the signal that stopped the job, or 128 and its status. */
static int is_a_shell(const struct green_options *opt, struct job *job)
{
	int tty = job->fd[1], status, stopped = 0;
	pid_t pid;

	end_with_parent();
	signal(SIGTTOU, SIG_IGN);
	if (setsid() < 0 || ioctl(tty, TIOCSCTTY, 0) || tcsetpgrp(tty, getpid()))
		return 1;
	pid = fork();
	if (!pid) {
		signal(SIGTTOU, SIG_DFL);
		be_a_job(opt, job);
	}
	setpgid(pid, pid);
	waitpid(pid, &status, WUNTRACED);
	if (WIFSTOPPED(status)) {
		stopped = WSTOPSIG(status);
		tcsetpgrp(tty, pid);
		kill(pid, SIGCONT);
		if (write(job->fd[0], "x", 1) != 1)
			return 2;
		waitpid(pid, &status, 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			return 3;
	}
	return stopped ?: 128 + WEXITSTATUS(status);
}

static int ends_of_job(const struct green_options *opt, struct job *job)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(is_a_shell(opt, job));
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(exact, jobs_of_a_terminal_wait_for_their_turn)
{
	struct job job = { 0 };
	struct termios tio;

	if (!open_terminal(job.fd))
		SKIP(return, "no terminals");
	EXPECT_EQ(SIGTTIN, ends_of_job(&self->opt, &job));
	job.ignores = true;
	EXPECT_EQ(128 + EIO, ends_of_job(&self->opt, &job));
	job.writes = true;
	EXPECT_EQ(128, ends_of_job(&self->opt, &job));
	tcgetattr(job.fd[1], &tio);
	tio.c_lflag |= TOSTOP;
	tcsetattr(job.fd[1], TCSANOW, &tio);
	EXPECT_EQ(SIGTTOU, ends_of_job(&self->opt, &job));
	close(job.fd[0]);
	close(job.fd[1]);
}

/* ---- what is in memory ---------------------------------------------------- */

#define HALF	(1 << 20)

static char bytes_of_file(int i)
{
	return (char)(i * 31 + i / 4099);
}

static bool is_from(const char *buf, int at, ssize_t n)
{
	for (int i = 0; i < n; i++)
		if (buf[i] != bytes_of_file(at + i))
			return false;
	return true;
}

/* Two halves of a file, of which only the first is in memory. */
static int half_is_there(int fd)
{
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	for (int i = 0; i < HALF; i += BLOCK) {
		char c;

		MUST(pread(fd, &c, 1, i) == 1);
	}
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	return 0;
}

/* A read of a file reads all of it, whatever is in memory; and at its end what there is. */
static int reads_whole_files(void *arg)
{
	static char buf[3 * HALF];
	int fd = *(int *)arg, i;

	for (i = 0; i < 3; i++) {
		MUST(!half_is_there(fd));
		MUST(green_read(fd, buf, 3 * HALF) == 2 * HALF && is_from(buf, 0, 2 * HALF));
		MUST(green_read(fd, buf, 1) == 0);
		MUST(!half_is_there(fd));
		MUST(green_read(fd, buf, HALF + 5) == HALF + 5 && is_from(buf, 0, HALF + 5));
		MUST(lseek(fd, 0, SEEK_CUR) == HALF + 5);
		MUST(green_read(fd, buf, 3 * HALF) == HALF - 5);
		MUST(is_from(buf, HALF + 5, HALF - 5));
		MUST(!half_is_there(fd));
		MUST(green_pread(fd, buf, 2 * HALF, 7) == 2 * HALF - 7 &&
		     is_from(buf, 7, 2 * HALF - 7));
		MUST(lseek(fd, 0, SEEK_CUR) == 0);
	}
	return 0;
}

TEST_F(exact, a_read_reads_all_that_a_file_has)
{
	static char buf[2 * HALF];
	char path[64];
	int fd, i;

	in(path, self->dir, "halves", 0);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	for (i = 0; i < 2 * HALF; i++)
		buf[i] = bytes_of_file(i);
	ASSERT_EQ(2 * HALF, write(fd, buf, 2 * HALF));
	EXPECT_EQ(0, green_run(&self->opt, reads_whole_files, &fd));
	close(fd);
	unlink(path);
}

/* It was a file's. Now it is @from's. */
static int becomes(int fd, int file, int from)
{
	char c;

	MUST(dup2(file, fd) == fd && lseek(fd, 0, SEEK_SET) == 0);
	for (int i = 0; i < 3; i++)
		MUST(green_read(fd, &c, 1) == 1 && c == bytes_of_file(i));
	MUST(dup2(from, fd) == fd);
	return 0;
}

/* Whatever the descriptor was: what there is comes at once, and not what is behind it. */
static int one_after_another(int fd, int file, int from, int to, bool packets)
{
	char buf[64];

	MUST(from >= 0 && to >= 0 && !becomes(fd, file, from));
	MUST(write(to, "first", 5) == 5);
	if (packets)
		MUST(write(to, "second", 6) == 6);
	MUST(green_read(fd, buf, sizeof(buf)) == 5 && !memcmp(buf, "first", 5));
	if (packets)
		MUST(green_read(fd, buf, sizeof(buf)) == 6 && !memcmp(buf, "second", 6));
	green_deadline(green_now_ns() + MS);
	MUST(green_read(fd, buf, sizeof(buf)) == -ETIMEDOUT);
	green_deadline(0);
	MUST(!becomes(fd, file, from));
	green_deadline(green_now_ns() + MS);
	MUST(green_read(fd, buf, sizeof(buf)) == -ETIMEDOUT);
	green_deadline(0);
	close(from);
	close(to);
	return 0;
}

static int changes(void *arg)
{
	int file = *(int *)arg, fd = dup(file), p[2], i;
	char c;

	MUST(fd >= 0 && !pipe(p));
	MUST(!one_after_another(fd, file, p[0], p[1], false));
	MUST(!pipe2(p, O_DIRECT));
	MUST(!one_after_another(fd, file, p[0], p[1], true));
	MUST(!socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	MUST(!one_after_another(fd, file, p[0], p[1], false));
	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
	MUST(!one_after_another(fd, file, p[0], p[1], true));
	MUST(!socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	MUST(!one_after_another(fd, file, p[0], p[1], true));
	if (open_terminal(p))
		MUST(!one_after_another(fd, file, p[0], p[1], false));
	i = open("/", O_RDONLY | O_DIRECTORY);
	MUST(!becomes(fd, file, i) && green_read(fd, &c, 1) == -EISDIR);
	close(i);
	i = open("/dev/null", O_WRONLY);
	MUST(!becomes(fd, file, i) && green_read(fd, &c, 1) == -EBADF);
	close(i);
	close(fd);
	MUST(green_read(fd, &c, 1) == -EBADF && green_pread(fd, &c, 1, 0) == -EBADF);
	return 0;
}

TEST_F(exact, a_descriptor_may_become_something_else)
{
	char path[64], buf[64];
	int fd, i;

	in(path, self->dir, "was", 0);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	for (i = 0; i < 64; i++)
		buf[i] = bytes_of_file(i);
	ASSERT_EQ(64, write(fd, buf, 64));
	EXPECT_EQ(0, green_run(&self->opt, changes, &fd));
	close(fd);
	unlink(path);
}

static atomic_bool others_ran;

static void runs(void *arg)
{
	others_ran = true;
}

/* A file that is in memory is no reason for others not to run. */
static int reads_on_and_on(void *arg)
{
	char c;

	others_ran = false;
	green_detach(green_go(runs, NULL));
	while (!others_ran)
		MUST(green_pread(*(int *)arg, &c, 1, 0) == 1);
	return 0;
}

TEST_F(exact, who_reads_on_and_on_lets_others_run)
{
	char path[64];
	int fd;

	in(path, self->dir, "on", 0);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(0, green_run(&self->opt, reads_on_and_on, &fd));
	close(fd);
	unlink(path);
}

/* ---- the end of the run -------------------------------------------------- */

#define LEFT 64

struct left {
	int fd;
	char *buf;
	size_t len;
};

static void reads_and_is_left(void *arg)
{
	struct left *l = arg;

	green_read(l->fd, l->buf, l->len);
	abort();
}

static int port_left;

static void accepts_and_is_left(void *arg)
{
	green_accept(port_left, NULL, NULL, 0);
	abort();
}

static int leaves(void *arg)
{
	struct left *l = arg;
	int i;

	for (i = 0; i < LEFT; i++)
		green_detach(green_go(reads_and_is_left, &l[i]));
	green_detach(green_go(accepts_and_is_left, NULL));
	green_sleep_ns(5 * MS);
	return 0;
}

/* Its memory, its bytes and its ports are the program's again. */
TEST_F(exact, nothing_is_in_flight_afterwards)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct left l[LEFT];
	char buf[LEFT], c;
	int fd[2], i, round, wrong = 0;

	for (round = 0; round < 20 && !wrong; round++) {
		ASSERT_EQ(0, pipe(fd));
		port_left = listens(&addr);
		ASSERT_LE(0, port_left);
		memset(buf, 'm', LEFT);
		for (i = 0; i < LEFT; i++)
			l[i] = (struct left){ fd[0], &buf[i], 1 };
		ASSERT_EQ(0, green_run(&self->opt, leaves, l));
		close(port_left);
		/* The same port at once: nobody else has it. */
		i = listens(&addr);
		ASSERT_LE(0, i);
		close(i);
		ASSERT_EQ(1, write(fd[1], "k", 1));
		usleep(2000);
		for (i = 0; i < LEFT; i++)
			wrong += buf[i] != 'm';
		fcntl(fd[0], F_SETFL, O_NONBLOCK);
		wrong += read(fd[0], &c, 1) != 1;
		EXPECT_EQ(0, wrong);
		close(fd[0]);
		close(fd[1]);
	}
}

TEST_HARNESS_MAIN
