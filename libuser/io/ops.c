/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The I/O calls. Each writes down in t->io what is asked for, as the system call of its
 * name would do it, and parks; uring.c does the rest.
 *
 * io_uring's operations are not quite those system calls, so what a descriptor is
 * has to be known here and there. It is asked each time: who opens and closes files
 * need not tell us.
 */
#define _GNU_SOURCE
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "io/call.h"
#include "io/file.h"
#include "io/uring.h"
#include "sched/poller.h"
#include "sched/timer.h"
#include "sched/wait.h"
#include "unwind/exit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* More than that the kernel does not do in one call. */
#define MAX_LEN	0x7ffff000UL

/* A cancellation is repeated after so long, then after twice that, up to 64 times. */
#define AGAIN_NS	1000000u
#define MAX_DOUBLINGS	6

/* ---- its end ------------------------------------------------------------ */

/* The call of @t returns @ret. Others have waited for that. */
static void end(struct green *t, long ret)
{
	struct green *next;

	t->io.busy = false;
	t->ret = ret;
	/* What was done before it could be cancelled is not thrown away. */
	if (t->io.cancelled && ret < 0)
		green_cancel_point(t);
	next = t->io.positioned ? green_turn_leave(t) : NULL;
	if (next)
		green_uring_start(next);
	next = green_file_leave(t);
	if (next)
		green_uring_start(next);
}

/*
 * It is asked for again and again, until it has ended: the kernel may find nothing to
 * cancel, since an operation is on its way from one of its queues to the next.
 */
static void cancel(struct green *t)
{
	unsigned int doublings = t->io.cancels < MAX_DOUBLINGS ? t->io.cancels++ : MAX_DOUBLINGS;

	green_timer_del(t);
	green_wake_at(t, green_now_ns() + ((uint64_t)AGAIN_NS << doublings));
	green_uring_cancel(t);
}

static bool no_longer(struct green *t)
{
	if (t->io.anyway || t->io.in_flight) {
		t->io.cancelled = !t->io.anyway;
		green_unclaim(t);
		if (t->io.cancelled)
			cancel(t);
		return false;
	}
	t->io.cancelled = true;
	end(t, t->io.closed ? -ECANCELED : -ETIMEDOUT);
	return true;
}

static const struct green_wait_kind kinds[] = {
	[OP_READ] = { .name = "read", .abort = no_longer },
	[OP_WRITE] = { .name = "write", .abort = no_longer },
	[OP_RECV] = { .name = "recv", .abort = no_longer },
	[OP_SEND] = { .name = "send", .abort = no_longer },
	[OP_ACCEPT] = { .name = "accept", .abort = no_longer },
	[OP_CONNECT] = { .name = "connect", .abort = no_longer },
	[OP_SHUTDOWN] = { .name = "shutdown", .abort = no_longer },
	[OP_OPENAT] = { .name = "openat", .abort = no_longer },
	[OP_CLOSE] = { .name = "close", .abort = no_longer },
	[OP_POLL] = { .name = "poll", .abort = no_longer },
};

/* Those that use @fd, which is to be closed. */
static void cancel_users(int fd)
{
	struct green *t, *next;

	for (t = green_file_first(fd); t; t = next) {
		next = t->io.fd_next;
		if (t->io.fd != fd || t->io.anyway)
			continue;
		t->io.closed = true;
		if (green_claim(t) && no_longer(t))
			green_ready(t);
	}
}

/* ---- its begin ----------------------------------------------------------- */

/* The current thread may begin a call; or -errno. */
static int begin(void)
{
	struct green *t = green_worker->current;

	if (green_cancel_point(t))
		return -ECANCELED;
	if (t->deadline && t->deadline <= green_now_ns())
		return -ETIMEDOUT;
	return 0;
}

/* Park until it is done. */
static long wait_for(const struct green_io *io)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;
	int err;

	if (io->fd >= 0 && green_file_closes(io->fd))
		return -EBADF;
	err = green_uring_open();
	if (err)
		return err;
	t->io = *io;
	t->io.busy = true;
	green_file_enter(t);
	/* Without a timer the deadline is missed; better late than failed. */
	if (!io->anyway)
		green_wake_at_deadline(t);
	green_park(w, &kinds[io->op]);
	if (io->op == OP_CLOSE ? !green_file_shared(t) : !io->positioned || green_turn_take(t))
		green_uring_start(t);
	return 0;
}

/* ---- the calls ------------------------------------------------------------ */

static size_t cut(size_t len)
{
	return len < MAX_LEN ? len : MAX_LEN;
}

/* Asks no file server, which could be this process; and leaves errno alone. */
static int type_of(int fd, struct statx *sx)
{
	int old = errno, err = 0;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, sx)) {
		err = -errno;
		errno = old;
	}
	return err;
}

static bool is_terminal(int fd)
{
	int old = errno;
	bool yes = isatty(fd);

	errno = old;
	return yes;
}

/* read(2) and write(2), where a file has a position. */
static void at_position(struct green_io *io, const struct statx *sx)
{
	io->off = -1;
	io->positioned = S_ISREG(sx->stx_mode) || S_ISBLK(sx->stx_mode);
	io->dev = makedev(sx->stx_dev_major, sx->stx_dev_minor);
	io->ino = sx->stx_ino;
}

/* Where there is no position, pread(2) fails. */
static bool has_offsets(int fd, const struct statx *sx)
{
	int old = errno;
	bool yes = true;

	if (S_ISREG(sx->stx_mode) || S_ISBLK(sx->stx_mode) || S_ISDIR(sx->stx_mode))
		return true;
	if (lseek(fd, 0, SEEK_CUR) < 0) {
		yes = errno != ESPIPE;
		errno = old;
	}
	return yes;
}

long rt_pread(int fd, void *buf, size_t len, off_t off)
{
	struct green_io io = {
		.op = OP_READ, .fd = fd, .mem = { buf }, .len = { cut(len) }, .off = off,
	};
	struct statx sx;
	int err;

	if (off < 0)
		return -EINVAL;
	err = begin() ?: type_of(fd, &sx);
	if (err)
		return err;
	return has_offsets(fd, &sx) ? wait_for(&io) : -ESPIPE;
}

long rt_read(int fd, void *buf, size_t len)
{
	struct green_io io = {
		.op = OP_READ, .fd = fd, .mem = { buf }, .len = { cut(len) },
	};
	struct statx sx;
	int err = begin() ?: type_of(fd, &sx);

	if (err)
		return err;
	at_position(&io, &sx);
	return wait_for(&io);
}

long rt_write(int fd, const void *buf, size_t len)
{
	struct green_io io = {
		.op = OP_WRITE, .fd = fd, .mem = { buf }, .len = { cut(len) },
	};
	struct statx sx;
	int err = begin() ?: type_of(fd, &sx);

	if (err)
		return err;
	at_position(&io, &sx);
	io.whole = S_ISFIFO(sx.stx_mode) || (S_ISCHR(sx.stx_mode) && is_terminal(fd));
	if (S_ISSOCK(sx.stx_mode)) {
		io.op = OP_SEND;
		io.flags = MSG_NOSIGNAL;
		io.whole = true;
	}
	return wait_for(&io);
}

long rt_recv(int fd, void *buf, size_t len, int flags)
{
	struct green_io io = {
		.op = OP_RECV, .fd = fd, .mem = { buf }, .len = { cut(len) },
		.flags = (unsigned int)flags,
	};

	return begin() ?: wait_for(&io);
}

long rt_send(int fd, const void *buf, size_t len, int flags)
{
	struct green_io io = {
		.op = OP_SEND, .fd = fd, .mem = { buf }, .len = { cut(len) },
		.flags = (unsigned int)flags | MSG_NOSIGNAL,
		.whole = !(flags & MSG_DONTWAIT),
	};

	return begin() ?: wait_for(&io);
}

long rt_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct green_io io = {
		.op = OP_ACCEPT, .fd = fd, .mem = { addr, len },
		.len = { addr && len ? *len : 0, len ? sizeof(*len) : 0 },
		.flags = (unsigned int)flags,
	};

	return begin() ?: wait_for(&io);
}

long rt_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct green_io io = {
		.op = OP_CONNECT, .fd = fd, .mem = { addr }, .len = { len },
	};

	return begin() ?: wait_for(&io);
}

long rt_shutdown(int fd, int how)
{
	struct green_io io = { .op = OP_SHUTDOWN, .fd = fd, .flags = (unsigned int)how };

	return begin() ?: wait_for(&io);
}

long rt_openat(int dir, const char *path, int flags, mode_t mode)
{
	/* One byte stands for the string: it is in a stack, or not. */
	struct green_io io = {
		.op = OP_OPENAT, .fd = -1, .dir = dir, .mem = { path }, .len = { 1 },
		.flags = (unsigned int)flags, .mode = mode,
	};

	return begin() ?: wait_for(&io);
}

/*
 * Closing is what a deferred call does, perhaps because the deadline came or the
 * thread was cancelled: it is done in any case. First the calls that use the
 * descriptor end: while the kernel has one of them the file stays open.
 */
long rt_close(int fd)
{
	struct green_io io = { .op = OP_CLOSE, .fd = fd, .anyway = true };

	green_cancel_point(green_worker->current);
	if (fd < 0 || green_file_closes(fd))
		return -EBADF;
	cancel_users(fd);
	return wait_for(&io);
}

long rt_poll(int fd, unsigned int events)
{
	struct green_io io = { .op = OP_POLL, .fd = fd, .flags = events };

	return begin() ?: wait_for(&io);
}

/* ---- as a poller ----------------------------------------------------------- */

static struct green *poll_all(bool wait, uint64_t until)
{
	struct green *done = green_uring_poll(wait, until), *t;

	for (t = done; t; t = t->next) {
		green_claim(t);
		end(t, t->ret);
	}
	return done;
}

static const struct green_poller poller = {
	.poll = poll_all,
	.flush = green_uring_flush,
	.kick = green_uring_kick,
	.busy = green_uring_busy,
};

int green_io_init(void)
{
	int err = green_uring_init();

	if (err)
		return err;
	err = green_files_init();
	if (err) {
		green_uring_exit();
		return err;
	}
	green_rt.poller = &poller;
	return 0;
}

void green_io_exit(void)
{
	green_files_exit();
	green_uring_exit();
}

void green_io_forked(void)
{
	/* green_run() had not come that far. */
	if (!green_rt.poller)
		return;
	green_uring_forked();
	green_files_forked();
}

/*
 * Threads were abandoned in the middle of their calls. Their buffers are the
 * program's again when green_run() returns, and their ports free. What cannot be
 * cancelled, like a read of a disk, is waited for. By now all of it belongs to this
 * OS thread, or to such that have ended and of which the kernel has cancelled it.
 */
void green_io_drain(void)
{
	struct green *t;

	green_lock();
	while (green_uring_busy()) {
		for (t = green_rt.all; t; t = t->all_next)
			if (t->io.busy && green_claim(t))
				no_longer(t);
		poll_all(true, green_now_ns() + AGAIN_NS * 10);
	}
	green_uring_settle();
	green_unlock();
}
