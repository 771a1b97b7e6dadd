/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The I/O calls. Each writes down in t->io what is asked for, as the system call of its
 * name would do it, and parks; uring.c does the rest.
 *
 * io_uring's operations are not quite those system calls, so what a descriptor is
 * has to be known here and there (descriptor.c). It is asked each time, unless it does not
 * matter (now.c): who opens and closes files need not tell us.
 */
#define _GNU_SOURCE
#include "base/handle.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "io/call.h"
#include "io/descriptor.h"
#include "io/file.h"
#include "io/now.h"
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

/*
 * A call that has waited for another's end begins. Who aborts it meanwhile ends it, and
 * what waits for it is that one's. The caller has the lock of what both are in.
 */
static void start(struct green *t)
{
	if (t->io->anyway)
		while (!green_claim(t))
			__builtin_ia32_pause();
	else if (!green_claim(t))
		return;
	green_uring_start(t);
	green_unclaim(t);
}

static void leave_turn(struct green *t)
{
	struct green_turns *turns = green_turns_lock(t->io);
	struct green *next = green_turn_leave(turns, t);

	if (next)
		start(next);
	green_turns_unlock(turns);
}

/*
 * The call of @t, which the caller has claimed, returns @ret. Others have waited for that.
 * The turn is left first: what kcmp(2) is asked of must still be open. And a close that was
 * done is in flight until it has left: its descriptor may be another file's already.
 */
static void end_locked(struct green *t, long ret)
{
	struct green *closer;

	t->io->busy = false;
	t->io->in_flight = false;
	t->ret = ret;
	/* What was done before it could be cancelled is not thrown away. */
	if (t->io->cancelled && ret < 0)
		green_cancel_point(t);
	if (t->io->fd < 0)
		return;
	if (t->io->positioned)
		leave_turn(t);
	closer = green_file_leave(t);
	if (closer)
		start(closer);
}

static void end(struct green *t, long ret)
{
	const int fd = t->io->fd;

	if (fd >= 0)
		green_file_lock(fd);
	end_locked(t, ret);
	if (fd >= 0)
		green_file_unlock(fd);
}

/*
 * It is asked for again and again, until it has ended: the kernel may find nothing to
 * cancel, since an operation is on its way from one of its queues to the next.
 */
static void cancel(struct green *t)
{
	unsigned int doublings = t->io->cancels < MAX_DOUBLINGS ? t->io->cancels++ : MAX_DOUBLINGS;

	t->io->cancelled = true;
	green_timer_del(t);
	green_wake_at(t, green_now_ns() + ((uint64_t)AGAIN_NS << doublings));
	green_uring_cancel(t);
}

/* What a call returns that has not begun. */
static int why_not(const struct green *t)
{
	return t->io->closed ? -ECANCELED : -ETIMEDOUT;
}

/* The kernel says when it is over; is there anything for it to say? */
static bool goes_on(struct green *t)
{
	if (!t->io->anyway && !t->io->in_flight)
		return false;
	if (!t->io->anyway)
		cancel(t);
	green_unclaim(t);
	return true;
}

static bool no_longer(struct green *t)
{
	if (goes_on(t))
		return false;
	t->io->cancelled = true;
	end(t, why_not(t));
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

/* Is there a ring, and a place to describe the call in? */
static int can_wait(void)
{
	int err = green_uring_open();

	if (err)
		return err;
	return green_io_of(green_worker->current) ? 0 : -ENOMEM;
}

/* The current thread's, which can_wait(), before it begins. */
static void describe_call(struct green *t, const struct green_io *io)
{
	*t->io = *io;
	t->io->t = t;
	t->io->busy = true;
	/* Without a timer the deadline is missed; better late than failed. */
	if (!io->anyway)
		green_wake_at_deadline(t);
}

/* Who is to begin it finds it parked: it is in flight, or in the list of another. */
static void park_at_position(struct green_worker *w, struct green_turns *turns)
{
	struct green *t = w->current;

	if (green_turn_take(turns, t))
		green_uring_park(w, &kinds[t->io->op]);
	else
		green_park(w, &kinds[t->io->op]);
}

/*
 * Of several workers nobody else is at the position of the file meanwhile, since the lock of
 * turns is held; so it is a little that is read at once.
 */
static long wait_for_turn(struct green_io *io)
{
	struct green_worker *w = green_worker;
	struct green_turns *turns = green_turns_lock(io);
	long ret = 0;

	if (io->op == OP_READ && green_now_may_try_shared(io) && green_turn_is_free(turns, io) &&
	    green_now_read(io, true)) {
		ret = (long)io->done;
	} else {
		io->whole |= io->done;
		describe_call(w->current, io);
		green_file_enter(w->current);
		park_at_position(w, turns);
	}
	green_turns_unlock(turns);
	return ret;
}

/*
 * Park until it is done. While the lock of its descriptor is free each call that uses
 * that is parked, in flight or not.
 */
static long wait_locked(struct green_io *io)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;

	if (green_file_closes(io->fd))
		return -EBADF;
	if (io->positioned)
		return wait_for_turn(io);
	describe_call(t, io);
	green_file_enter(t);
	if (io->op == OP_CLOSE && green_file_shared(t))
		green_park(w, &kinds[io->op]);
	else
		green_uring_park(w, &kinds[io->op]);
	return 0;
}

static long wait_for(struct green_io *io)
{
	long ret = io->fd < 0 ? -EBADF : can_wait();

	if (ret)
		return ret;
	green_file_lock(io->fd);
	ret = wait_locked(io);
	green_file_unlock(io->fd);
	return ret;
}

/* Of a call that has no descriptor yet. */
static long wait_for_one(const struct green_io *io)
{
	struct green_worker *w = green_worker;
	long ret = can_wait();

	if (ret)
		return ret;
	describe_call(w->current, io);
	green_uring_park(w, &kinds[io->op]);
	return 0;
}

/* Those that use @fd, which is to be closed, end. Returns those that have not begun. */
static struct green *cancel_users(int fd)
{
	struct green *t, *next, *ended = NULL;

	for (t = green_file_first(fd); t; t = next) {
		next = t->io->fd_next;
		if (t->io->fd != fd || t->io->anyway)
			continue;
		t->io->closed = true;
		if (!green_claim(t) || goes_on(t))
			continue;
		t->io->cancelled = true;
		end_locked(t, why_not(t));
		t->next = ended;
		ended = t;
	}
	return ended;
}

/* ---- the calls ------------------------------------------------------------ */

static size_t cut(size_t len)
{
	return len < MAX_LEN ? len : MAX_LEN;
}

/*
 * Devices of characters (terminals, /dev/fuse) block whoever tries, and so do file servers
 * (FUSE): from Linux 6.12 on io_uring asks those from within the submission, and one may
 * be a thread of this worker's.
 */
static void describe(struct green_io *io, const struct statx *sx)
{
	io->apart = S_ISCHR(sx->stx_mode) || (green_fd_is_file(sx) && green_now_never(io->fd));
}

/* read(2) and write(2), where a file has a position. */
static void at_position(struct green_io *io, const struct statx *sx)
{
	describe(io, sx);
	io->off = -1;
	io->positioned = green_fd_is_file(sx);
	io->dev = makedev(sx->stx_dev_major, sx->stx_dev_minor);
	io->ino = sx->stx_ino;
}

/*
 * Of what is in memory @io may have been read a part. What is no file has no more. Of a file
 * the rest follows: all that can be had at once, then by the ring.
 */
static long read_rest(struct green_io *io, const struct statx *sx)
{
	green_now_remember(io->fd, green_fd_is_file(sx));
	if (green_fd_is_file(sx) ? (io->done || green_now_may_try(io->fd)) && green_now_read(io, true) :
			  io->done)
		return (long)io->done;
	io->whole = io->done;
	return wait_for(io);
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
	err = begin();
	if (err)
		return err;
	if (green_now_may_try(fd) && green_now_read(&io, false))
		return (long)io.done;
	err = green_fd_type(fd, &sx) ?: green_fd_may_read(fd, &sx, true);
	if (err)
		return io.done ? (long)io.done : err;
	describe(&io, &sx);
	return read_rest(&io, &sx);
}

long rt_read(int fd, void *buf, size_t len)
{
	struct green_io io = {
		.op = OP_READ, .fd = fd, .mem = { buf }, .len = { cut(len) }, .off = -1,
	};
	struct statx sx;
	int err = begin();

	if (err)
		return err;
	if (green_now_may_try(fd) && green_now_read(&io, false))
		return (long)io.done;
	err = green_fd_type(fd, &sx) ?: green_fd_may_read(fd, &sx, false);
	if (err)
		return io.done ? (long)io.done : err;
	at_position(&io, &sx);
	return read_rest(&io, &sx);
}

long rt_write(int fd, const void *buf, size_t len)
{
	struct green_io io = {
		.op = OP_WRITE, .fd = fd, .mem = { buf }, .len = { cut(len) },
	};
	struct statx sx;
	int err = begin() ?: green_fd_type(fd, &sx) ?: green_fd_may_write(fd, &sx);

	if (err)
		return err;
	at_position(&io, &sx);
	io.whole = S_ISFIFO(sx.stx_mode) || (S_ISCHR(sx.stx_mode) && green_fd_is_terminal(fd));
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

	return begin() ?: wait_for_one(&io);
}

/*
 * Closing is what a deferred call does, perhaps because the deadline came or the
 * thread was cancelled: it is done in any case. First the calls that use the
 * descriptor end: while the kernel has one of them the file stays open.
 */
long rt_close(int fd)
{
	struct green_io io = { .op = OP_CLOSE, .fd = fd, .anyway = true };
	struct green *ended = NULL;
	long ret;

	green_cancel_point(green_worker->current);
	if (fd < 0)
		return -EBADF;
	ret = can_wait();
	if (ret)
		return ret;
	green_file_lock(fd);
	ret = green_file_closes(fd) ? -EBADF : 0;
	if (!ret) {
		ended = cancel_users(fd);
		ret = wait_locked(&io);
	}
	green_file_unlock(fd);
	green_ready_all(ended);
	return ret;
}

long rt_poll(int fd, unsigned int events)
{
	struct green_io io = { .op = OP_POLL, .fd = fd, .flags = events };

	return begin() ?: wait_for(&io);
}

/* ---- as a poller ----------------------------------------------------------- */

/* Of those that the kernel is done with, the ones whose calls have ended. */
static struct green *end_all(struct green *done)
{
	struct green *t, *next, *ended = NULL, **tail = &ended;

	for (t = done; t; t = next) {
		next = t->next;
		/* Who cancels it has it for a moment. */
		while (!green_claim(t))
			__builtin_ia32_pause();
		if (!green_uring_ends(t)) {
			green_uring_start(t);
			green_unclaim(t);
			continue;
		}
		end(t, t->ret);
		*tail = t;
		tail = &t->next;
	}
	*tail = NULL;
	return ended;
}

static struct green *poll_now(struct green_worker *w)
{
	return end_all(green_uring_poll(w));
}

static const struct green_poller poller = {
	.poll = poll_now,
	.wait = green_uring_wait,
	.kick = green_uring_kick,
	.busy = green_uring_busy,
};

int green_io_init(void)
{
	unsigned int i;
	int err = green_files_init();

	for (i = 0; i < green_rt.nr_workers && !err; i++)
		err = green_uring_init(&green_rt.worker[i]);
	if (err) {
		green_io_exit();
		return err;
	}
	green_rt.poller = &poller;
	return 0;
}

void green_io_exit(void)
{
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		if (green_rt.worker[i].uring)
			green_uring_exit(&green_rt.worker[i]);
	green_files_exit();
	green_rt.poller = NULL;
}

void green_io_forked(void)
{
	/* green_run() had not come that far. */
	if (!green_rt.poller)
		return;
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		green_uring_forked(&green_rt.worker[i]);
	green_files_forked();
}

/*
 * Threads were abandoned in the middle of their calls. Their buffers are the
 * program's again when green_run() returns, and their ports free. What cannot be
 * cancelled, like a read of a disk, is waited for. By now all of it belongs to this
 * OS thread, or to such that have ended and of which the kernel has cancelled it.
 */
static void cancel_all(void)
{
	for (unsigned long i = 0; i < green_descriptors(); i++) {
		struct green *t = green_thread_at(i);

		if (t && t->io && t->io->busy && green_claim(t))
			no_longer(t);
	}
}

void green_io_drain(void)
{
	for (unsigned int i = 0; i < green_rt.nr_workers; i++) {
		struct green_worker *w = &green_rt.worker[i];

		/* Else it would not wait. */
		__atomic_store_n(&w->kicked, false, __ATOMIC_RELAXED);
		while (green_uring_busy(w)) {
			cancel_all();
			green_uring_wait(w, green_now_ns() + AGAIN_NS * 10);
			poll_now(w);
		}
		green_uring_settle(w);
	}
}
