/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * I/O by io_uring: a call prepares an SQE, parks its thread, and the CQE wakes
 * it. SQEs are submitted when nobody is left to run, or every so many switches,
 * so that a busy worker submits many at once. Workers share the ring, under the
 * runtime's lock; only the one that waits in it does so without, and touches no
 * queue of it meanwhile, but is the only one to take completions. To end its wait
 * others write to an eventfd.
 *
 * From the SQE to the CQE the memory in t->io is the kernel's: prove.c refuses
 * to move a stack that holds any of it.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENTRIES 1024

struct green_uring {
	struct io_uring ring;
	unsigned long in_flight;	/* CQEs to come, cancellations included */
	int wakeup;			/* an eventfd, if there are more workers */
	bool watched;			/* a poll of it is in flight */
};

int green_uring_init(void)
{
	struct green_uring *u = calloc(1, sizeof(*u));
	unsigned int flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	int err;

	if (!u)
		return -ENOMEM;
	err = io_uring_queue_init(ENTRIES, &u->ring, green_shared ? 0 : flags);
	/* Before 6.1 these flags are unknown. */
	if (err == -EINVAL)
		err = io_uring_queue_init(ENTRIES, &u->ring, 0);
	if (err) {
		free(u);
		return err;
	}
	u->wakeup = green_shared ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (green_shared && u->wakeup < 0) {
		err = -errno;
		io_uring_queue_exit(&u->ring);
		free(u);
		return err;
	}
	green_rt.uring = u;
	return 0;
}

void green_uring_exit(void)
{
	io_uring_queue_exit(&green_rt.uring->ring);
	if (green_rt.uring->wakeup >= 0)
		close(green_rt.uring->wakeup);
	free(green_rt.uring);
	green_rt.uring = NULL;
}

static struct io_uring_sqe *get_sqe(struct green_uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe) {
		io_uring_submit(&u->ring);
		sqe = io_uring_get_sqe(&u->ring);
	}
	return sqe;
}

static void complete(struct green *t, int res)
{
	t->io.busy = false;
	green_timer_del(t);
	t->ret = res == -ECANCELED && t->io.cancelled ? -ETIMEDOUT : res;
	/* What was done before it could be cancelled is not thrown away. */
	if (res == -ECANCELED || res == -EINTR)
		green_cancel_point(t);
	green_ready(t);
}

static void woken(struct green_uring *u)
{
	eventfd_t n;

	eventfd_read(u->wakeup, &n);
	u->watched = false;
}

static void reap(void)
{
	struct green_uring *u = green_rt.uring;
	struct io_uring_cqe *cqe;
	unsigned int head, nr = 0;

	io_uring_for_each_cqe(&u->ring, head, cqe) {
		struct green *t = io_uring_cqe_get_data(cqe);

		nr++;
		if (t == (void *)u) {
			woken(u);
			continue;
		}
		if (t)
			complete(t, cqe->res);
		u->in_flight--;
	}
	io_uring_cq_advance(&u->ring, nr);
}

/* Has the eventfd end the wait that follows. */
static void watch(struct green_uring *u)
{
	struct io_uring_sqe *sqe = u->watched ? NULL : get_sqe(u);

	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, u->wakeup, POLLIN);
	io_uring_sqe_set_data(sqe, u);
	u->watched = true;
}

static void timespec_until(uint64_t until, struct __kernel_timespec *ts)
{
	uint64_t now = green_now_ns();
	uint64_t ns = until > now ? until - now : 0;

	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
}

/* A worker alone submits and waits in one call. */
static void wait_alone(struct green_uring *u, uint64_t until)
{
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;

	if (!until) {
		io_uring_submit_and_wait(&u->ring, 1);
		return;
	}
	timespec_until(until, &ts);
	io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
}

static void wait_shared(struct green_uring *u, uint64_t until)
{
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;

	watch(u);
	io_uring_submit(&u->ring);
	green_unlock();
	if (until)
		timespec_until(until, &ts);
	io_uring_wait_cqes(&u->ring, &cqe, 1, until ? &ts : NULL, NULL);
	green_lock();
}

bool green_uring_busy(void)
{
	return green_rt.uring->in_flight;
}

void green_uring_flush(void)
{
	if (io_uring_sq_ready(&green_rt.uring->ring))
		io_uring_submit(&green_rt.uring->ring);
}

void green_uring_kick(void)
{
	eventfd_write(green_rt.uring->wakeup, 1);
}

void green_uring_poll(bool wait, uint64_t until)
{
	struct green_uring *u = green_rt.uring;

	if (!wait && !u->in_flight)
		return;
	/*
	 * What has come wakes the one that waits, and it must find that: taken away
	 * before it looked, it would wait on.
	 */
	if (!wait && green_rt.poller) {
		green_uring_flush();
		return;
	}
	if (!wait)
		io_uring_submit_and_get_events(&u->ring);
	else if (green_shared)
		wait_shared(u, until);
	else
		wait_alone(u, until);
	reap();
}

/* @t is to wait no longer; its operation's CQE still has to come. */
void green_uring_cancel(struct green *t)
{
	struct io_uring_sqe *sqe = get_sqe(green_rt.uring);

	if (!sqe) {
		/* No room even after a submit: try again shortly. */
		green_timer_add(t, green_now_ns() + 1000000);
		return;
	}
	io_uring_prep_cancel(sqe, t, 0);
	io_uring_sqe_set_data(sqe, NULL);
	green_rt.uring->in_flight++;
}

/* An SQE for the current thread, or -errno in @err. */
static struct io_uring_sqe *begin(int *err)
{
	struct green *t = green_worker->current;
	struct io_uring_sqe *sqe;

	*err = -ECANCELED;
	if (green_cancel_point(t))
		return NULL;
	*err = -ETIMEDOUT;
	if (t->deadline && t->deadline <= green_now_ns())
		return NULL;
	*err = -EAGAIN;
	sqe = get_sqe(green_rt.uring);
	if (!sqe)
		return NULL;
	t->io = (struct green_io){ .busy = true };
	return sqe;
}

static void uses(int i, const void *mem, size_t len)
{
	struct green_io *io = &green_worker->current->io;

	io->mem[i] = mem;
	io->len[i] = mem ? len : 0;
}

/* The SQE is prepared: park until its CQE. */
static long finish(struct io_uring_sqe *sqe)
{
	struct green_worker *w = green_worker;
	struct green *t = w->current;

	io_uring_sqe_set_data(sqe, t);
	green_rt.uring->in_flight++;
	/* Without a timer the deadline is missed; better late than failed. */
	if (t->deadline)
		green_timer_add(t, t->deadline);
	green_park(w);
	return 0;
}

#define DO(ret, name, ...)						\
	ret green_do_green_##name(__VA_ARGS__);				\
	ret green_do_green_##name(__VA_ARGS__)

DO(long, pread, int fd, void *buf, size_t len, off_t off)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	uses(0, buf, len);
	io_uring_prep_read(sqe, fd, buf, len < INT32_MAX ? len : INT32_MAX, off);
	return finish(sqe);
}

DO(long, read, int fd, void *buf, size_t len)
{
	return green_do_green_pread(fd, buf, len, -1);
}

DO(long, write, int fd, const void *buf, size_t len)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	uses(0, buf, len);
	io_uring_prep_write(sqe, fd, buf, len < INT32_MAX ? len : INT32_MAX, -1);
	return finish(sqe);
}

DO(long, recv, int fd, void *buf, size_t len, int flags)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	uses(0, buf, len);
	io_uring_prep_recv(sqe, fd, buf, len, flags);
	return finish(sqe);
}

DO(long, send, int fd, const void *buf, size_t len, int flags)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	uses(0, buf, len);
	io_uring_prep_send(sqe, fd, buf, len, flags);
	return finish(sqe);
}

DO(long, accept, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	uses(0, addr, addr && len ? *len : 0);
	uses(1, len, sizeof(*len));
	io_uring_prep_accept(sqe, fd, addr, len, flags);
	return finish(sqe);
}

DO(long, connect, int fd, const struct sockaddr *addr, socklen_t len)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	uses(0, addr, len);
	io_uring_prep_connect(sqe, fd, addr, len);
	return finish(sqe);
}

DO(long, shutdown, int fd, int how)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	io_uring_prep_shutdown(sqe, fd, how);
	return finish(sqe);
}

DO(long, openat, int dir, const char *path, int flags, mode_t mode)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	/* One byte stands for the string: it is in a stack, or not. */
	uses(0, path, 1);
	io_uring_prep_openat(sqe, dir, path, flags, mode);
	return finish(sqe);
}

/*
 * Closing is what a deferred call does, perhaps because the deadline came or the
 * thread was cancelled: it is done in any case.
 */
DO(long, close, int fd)
{
	struct green *t = green_worker->current;
	uint64_t deadline = t->deadline;
	struct io_uring_sqe *sqe;
	long ret;
	int err;

	t->deadline = 0;
	sqe = begin(&err);
	if (sqe) {
		io_uring_prep_close(sqe, fd);
		t->io.anyway = true;
		ret = finish(sqe);
	} else {
		ret = close(fd) ? -errno : 0;
	}
	t->deadline = deadline;
	return ret;
}

DO(long, poll, int fd, unsigned int events)
{
	int err;
	struct io_uring_sqe *sqe = begin(&err);

	if (!sqe)
		return err;
	io_uring_prep_poll_add(sqe, fd, events);
	return finish(sqe);
}
