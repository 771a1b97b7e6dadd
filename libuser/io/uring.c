/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The rings, one for each worker. A call (ops.c) describes itself in t->io and parks its
 * thread; here that becomes an SQE in the ring of the worker that it parks on; the CQE is
 * the end of it. SQEs are submitted when nobody is left to run, or every so many
 * switches, so that a busy worker submits many at once. A worker's ring is its own, but
 * for cancellations and where it is busy for long: so each has a lock. Its worker
 * waits in it without, and nobody else takes completions meanwhile. To end that wait
 * others write to an eventfd, also where there is but one worker: others may be OS threads
 * that are none, and signal handlers (sched/outside.c).
 *
 * An operation is cancelled by an SQE of its own, and that again and again until its
 * CQE has come (ops.c). Asked once the kernel may find nothing to cancel, since the
 * operation is on its way from one of its queues to the next; and what blocks in one of
 * its own threads, as a read of a pipe does on Linux 6.1, is interrupted before it sleeps.
 *
 * From the call to its end the memory in t->io is the kernel's: prove.c refuses to
 * move a stack that holds any of it.
 */
#define _GNU_SOURCE
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "io/call.h"
#include "io/uring.h"
#include "sched/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 1024

/* So often a worker that has neither a ring nor an eventfd looks around. */
#define LOOK_NS 10000000u

/* What a system call that was interrupted returns inside of the kernel. */
#define ERESTARTSYS	512

struct green_uring {
	struct green_spin lock;		/* RANK_RING; guards all but wakeup */
	struct io_uring ring;
	unsigned long in_flight;	/* CQEs to come, cancellations included */
	unsigned int most_opens;	/* for so many the kernel has threads */
	struct green *late, **late_tail; /* of them, that are not in the queue yet */
	bool watched;			/* a poll of wakeup is in flight */
	bool waiting;			/* its worker waits in it */
	bool open;			/* there is a ring; not yet in a child of fork() */
	int wakeup;			/* an eventfd, or -1 before one is open */
};

/* Opens of all rings, which may wait in the kernel. */
GREEN_PER_RUN static struct {
	atomic_uint now;
	atomic_uint most;		/* that there are threads for */
} opens;

static void lock(struct green_uring *u)
{
	green_spin_lock(&u->lock, RANK_RING);
}

static void unlock(struct green_uring *u)
{
	green_spin_unlock(&u->lock, RANK_RING);
}

/* Others look at the count without the lock. */
static void fly(struct green_uring *u, long n)
{
	__atomic_store_n(&u->in_flight, u->in_flight + n, __ATOMIC_RELAXED);
}

/*
 * Seen by whoever kicks from now on; kicks from before are seen in w->kicked, which is
 * looked at after this.
 */
static int open_wakeup(struct green_uring *u)
{
	int fd, old = errno, err;

	if (u->wakeup >= 0)
		return 0;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = fd < 0 ? -errno : 0;
	errno = old;
	if (!err)
		__atomic_store_n(&u->wakeup, fd, __ATOMIC_SEQ_CST);
	return err;
}

static int open_ring(struct green_uring *u)
{
	unsigned int flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	int err = open_wakeup(u);

	if (err)
		return err;
	err = io_uring_queue_init(ENTRIES, &u->ring, green_shared ? 0 : flags);
	/* Before 6.1 these flags are unknown. */
	if (err == -EINVAL)
		err = io_uring_queue_init(ENTRIES, &u->ring, 0);
	u->open = !err;
	return err;
}

/* No handler of a signal that comes meanwhile writes to it. */
static void close_wakeup(struct green_uring *u)
{
	int fd = u->wakeup;

	__atomic_store_n(&u->wakeup, -1, __ATOMIC_SEQ_CST);
	if (fd >= 0)
		close(fd);
}

int green_uring_open(void)
{
	struct green_uring *u = green_worker->uring;

	return u->open ? 0 : open_ring(u);
}

/* Its memory is shared with the parent: nothing of it may be touched. */
void green_uring_forked(struct green_worker *w)
{
	struct green_uring *u = w->uring;

	if (u->open)
		io_uring_queue_exit(&u->ring);
	close_wakeup(u);
	memset(u, 0, offsetof(struct green_uring, wakeup));
	u->late_tail = &u->late;
	opens.now = 0;
}

int green_uring_init(struct green_worker *w)
{
	struct green_uring *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	u->late_tail = &u->late;
	u->wakeup = -1;
	err = open_ring(u);
	if (err) {
		close_wakeup(u);
		free(u);
		return err;
	}
	w->uring = u;
	return 0;
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

/* ---- operations ---------------------------------------------------------- */

static void *at(const struct green_io *io)
{
	return (char *)io->mem[0] + io->done;
}

static off_t offset(const struct green_io *io)
{
	return io->off < 0 ? io->off : io->off + (off_t)io->done;
}

static void prepare(struct io_uring_sqe *sqe, const struct green_io *io)
{
	size_t left = io->len[0] - io->done;
	int flags = (int)io->flags;

	switch ((enum green_op)io->op) {
	case OP_READ:
		io_uring_prep_read(sqe, io->fd, at(io), left, offset(io));
		break;
	case OP_WRITE:
		io_uring_prep_write(sqe, io->fd, at(io), left, io->off);
		break;
	case OP_RECV:
		io_uring_prep_recv(sqe, io->fd, at(io), left, flags);
		break;
	case OP_SEND:
		io_uring_prep_send(sqe, io->fd, at(io), left, flags);
		break;
	case OP_ACCEPT:
		io_uring_prep_accept(sqe, io->fd, (struct sockaddr *)io->mem[0],
				     (socklen_t *)io->mem[1], flags);
		break;
	case OP_CONNECT:
		io_uring_prep_connect(sqe, io->fd, (const struct sockaddr *)io->mem[0],
				      io->len[0]);
		break;
	case OP_SHUTDOWN:
		io_uring_prep_shutdown(sqe, io->fd, flags);
		break;
	case OP_OPENAT:
		io_uring_prep_openat(sqe, io->dir, (const char *)io->mem[0], flags,
				     io->mode);
		break;
	case OP_CLOSE:
		io_uring_prep_close(sqe, io->fd);
		break;
	case OP_POLL:
		io_uring_prep_poll_add(sqe, io->fd, io->flags);
		break;
	}
}

static bool may_wait(const struct green_io *io)
{
	return io->op == OP_OPENAT && !(io->flags & O_NONBLOCK);
}

/*
 * Without IOSQE_ASYNC the kernel first tries whether the operation is done without waiting.
 * For an open that is another call where there is something to wait for. And who reads
 * or writes a terminal there asks no such thing: from Linux 6.12 on io_uring only looks
 * whether something is there, and if another reader was faster the OS thread sleeps
 * in read(2) with the ring's lock, and nobody can cancel it.
 */
static bool is_tried_apart(const struct green_io *io)
{
	return io->apart || may_wait(io);
}

/*
 * An open that waits, for the other end of a FIFO, say, occupies one of a few
 * threads of the kernel until it is over. There must be one for each, or the open
 * that the others wait for never begins. These threads belong to the OS thread that
 * submits, which may be another worker; so all rings ask for as many as all opens take.
 */
static void have_threads(struct green_uring *u)
{
	unsigned int most = atomic_load_explicit(&opens.most, memory_order_relaxed);
	/* Those that wait for other than disks are as many as there may be: 0 leaves that. */
	unsigned int max[2] = { most + 4 * (unsigned int)get_nprocs(), 0 };

	if (u->most_opens >= most)
		return;
	u->most_opens = most;
	io_uring_register_iowq_max_workers(&u->ring, max);
}

static void let_wait(struct green_uring *u)
{
	unsigned int now = atomic_load_explicit(&opens.now, memory_order_relaxed);

	if (now > atomic_load_explicit(&opens.most, memory_order_relaxed))
		atomic_store_explicit(&opens.most, 2 * now, memory_order_relaxed);
	have_threads(u);
}

static void submit(struct green_uring *u, struct io_uring_sqe *sqe, struct green *t)
{
	prepare(sqe, t->io);
	if (is_tried_apart(t->io))
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	if (may_wait(t->io))
		let_wait(u);
	io_uring_sqe_set_data(sqe, t);
}

/* If the queue is full and the kernel takes nothing from it, the call has to wait. */
static void start(struct green_uring *u, struct green *t)
{
	struct io_uring_sqe *sqe = u->late ? NULL : get_sqe(u);

	t->io->in_flight = true;
	fly(u, 1);
	if (may_wait(t->io))
		atomic_fetch_add(&opens.now, 1);
	if (sqe) {
		submit(u, sqe, t);
		return;
	}
	t->next = NULL;
	*u->late_tail = t;
	u->late_tail = &t->next;
}

void green_uring_start(struct green *t)
{
	struct green_uring *u = t->home->uring;

	lock(u);
	start(u, t);
	/* Its worker does not submit before it stirs. */
	if (u->waiting)
		io_uring_submit(&u->ring);
	unlock(u);
}

void green_uring_park(struct green_worker *w, const struct green_wait_kind *kind)
{
	struct green_uring *u = w->uring;
	struct green *t = w->current;

	lock(u);
	start(u, t);
	green_park(w, kind);
	unlock(u);
}

static void start_late(struct green_uring *u)
{
	struct io_uring_sqe *sqe;
	struct green *t;

	while ((t = u->late)) {
		sqe = get_sqe(u);
		if (!sqe)
			return;
		u->late = t->next;
		if (!u->late)
			u->late_tail = &u->late;
		submit(u, sqe, t);
	}
}

void green_uring_cancel(struct green *t)
{
	struct green_uring *u = t->home->uring;
	struct io_uring_sqe *sqe;

	lock(u);
	sqe = get_sqe(u);
	if (sqe) {
		io_uring_prep_cancel(sqe, t, 0);
		io_uring_sqe_set_data(sqe, NULL);
		fly(u, 1);
		if (u->waiting)
			io_uring_submit(&u->ring);
	}
	unlock(u);
}

/* ---- completions --------------------------------------------------------- */

/* Nobody but us interrupts the kernel's threads, or cancels. */
static bool was_interrupted(int res)
{
	return res == -EINTR || res == -ERESTARTSYS;
}

/*
 * The kernel tries a write without waiting first, and where there is room for a part
 * that is all it does. The system call waits until everything is written. Likewise for
 * a read of a file of which a part was read already, until its end.
 */
static bool is_unfinished(const struct green_io *io, int res)
{
	return io->whole && res > 0 && io->done + (size_t)res < io->len[0];
}

bool green_uring_ends(struct green *t)
{
	struct green_io *io = t->io;
	int res = io->res;
	bool again = is_unfinished(io, res);
	long ret = res;

	if (was_interrupted(res))
		again = io->op != OP_CONNECT && io->op != OP_CLOSE;
	if (io->whole && res >= 0)
		ret = (long)(io->done += (size_t)res);
	if (again && !io->cancelled)
		return false;
	/* At the end there is nobody to have it. */
	if (green_rt.main_done && res >= 0 && (io->op == OP_ACCEPT || io->op == OP_OPENAT))
		close(res);
	if (io->cancelled && (was_interrupted(res) || res == -ECANCELED))
		ret = io->closed ? -ECANCELED : -ETIMEDOUT;
	if (ret < 0 && io->done)
		ret = (long)io->done;
	t->ret = ret;
	return true;
}

static void woken(struct green_uring *u)
{
	eventfd_t n;

	eventfd_read(u->wakeup, &n);
	u->watched = false;
}

/* The threads of whose calls the kernel has something to say, in their io.res. */
static struct green *reap(struct green_uring *u)
{
	struct green *done = NULL, **tail = &done;
	struct io_uring_cqe *cqe;
	unsigned int head, nr = 0;

	io_uring_for_each_cqe(&u->ring, head, cqe) {
		struct green *t = io_uring_cqe_get_data(cqe);

		nr++;
		if (t == (void *)u) {
			woken(u);
			continue;
		}
		fly(u, -1);
		if (!t)
			continue;
		if (may_wait(t->io))
			atomic_fetch_sub(&opens.now, 1);
		t->io->res = cqe->res;
		*tail = t;
		tail = &t->next;
	}
	*tail = NULL;
	io_uring_cq_advance(&u->ring, nr);
	return done;
}

/* ---- waiting ------------------------------------------------------------- */

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

/*
 * Where no worker has seen the eventfd yet (a child of fork() has just opened it), or one has
 * taken a kick out of the ring already, since it took this one for stuck.
 */
static bool was_kicked(const struct green_worker *w)
{
	return __atomic_load_n(&w->kicked, __ATOMIC_SEQ_CST);
}

/* A worker alone submits and waits in one call. */
static void wait_alone(struct green_worker *w, struct green_uring *u, uint64_t until)
{
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;

	watch(u);
	if (was_kicked(w))
		return;
	if (!until) {
		io_uring_submit_and_wait(&u->ring, 1);
		return;
	}
	timespec_until(until, &ts);
	io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
}

/* With the lock, and without it meanwhile. */
static void wait_shared(struct green_worker *w, struct green_uring *u, uint64_t until)
{
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;

	watch(u);
	io_uring_submit(&u->ring);
	if (was_kicked(w))
		return;
	/* From here on nobody takes anything out of the ring. */
	u->waiting = true;
	unlock(u);
	if (until)
		timespec_until(until, &ts);
	io_uring_wait_cqes(&u->ring, &cqe, 1, until ? &ts : NULL, NULL);
	lock(u);
	u->waiting = false;
}

/* There is no ring; so there are kicks to wait for, or without an eventfd to look for. */
static void sleep_until(struct green_worker *w, uint64_t until)
{
	struct green_uring *u = w->uring;
	struct pollfd p = { .fd = u->wakeup, .events = POLLIN };
	struct __kernel_timespec left;
	struct timespec ts;
	eventfd_t n;
	int old = errno;

	if (p.fd < 0 && (!until || until > green_now_ns() + LOOK_NS))
		until = green_now_ns() + LOOK_NS;
	timespec_until(until, &left);
	ts = (struct timespec){ .tv_sec = left.tv_sec, .tv_nsec = left.tv_nsec };
	if (!was_kicked(w) && ppoll(&p, 1, until ? &ts : NULL, NULL) > 0)
		eventfd_read(u->wakeup, &n);
	errno = old;
}

bool green_uring_busy(const struct green_worker *w)
{
	/* The eventfd's is none that a thread waits for, and is not counted. */
	return __atomic_load_n(&w->uring->in_flight, __ATOMIC_RELAXED);
}

/* Called by signal handlers, too. */
void green_uring_kick(struct green_worker *w)
{
	int old = errno;

	eventfd_write(__atomic_load_n(&w->uring->wakeup, __ATOMIC_SEQ_CST), 1);
	errno = old;
}

/*
 * Is there anything that takes a system call? Completions that are there do not; but while there
 * is none they may be held back, until its one issuer asks, or since the queue was full.
 */
static bool has_to_ask(struct green_uring *u)
{
	if (io_uring_sq_ready(&u->ring))
		return true;
	return !io_uring_cq_ready(&u->ring) &&
	       (u->ring.flags & IORING_SETUP_DEFER_TASKRUN || io_uring_cq_has_overflow(&u->ring));
}

struct green *green_uring_poll(struct green_worker *w)
{
	struct green_uring *u = w->uring;
	struct green *done = NULL;

	/* Of one's own there may be what is not counted: a kick. */
	if (!u->open || (!green_uring_busy(w) && w != green_worker))
		return NULL;
	lock(u);
	/*
	 * What has come wakes the one that waits, and it must find that: taken away
	 * before it looked, it would wait on.
	 */
	if (!u->waiting && (u->in_flight || io_uring_cq_ready(&u->ring))) {
		start_late(u);
		if (w != green_worker) {
			have_threads(u);
			io_uring_submit(&u->ring);
		} else if (has_to_ask(u)) {
			io_uring_submit_and_get_events(&u->ring);
		}
		done = reap(u);
	}
	unlock(u);
	return done;
}

void green_uring_wait(struct green_worker *w, uint64_t until)
{
	struct green_uring *u = w->uring;

	if (!u->open && open_ring(u)) {
		sleep_until(w, until);
		return;
	}
	lock(u);
	start_late(u);
	if (green_shared)
		wait_shared(w, u, until);
	else
		wait_alone(w, u, until);
	unlock(u);
}

/* ---- the end ------------------------------------------------------------- */

/* A completion may be there before the operation has let go of its file. */
void green_uring_settle(struct green_worker *w)
{
	if (w->uring->open)
		io_uring_get_events(&w->uring->ring);
}

void green_uring_exit(struct green_worker *w)
{
	struct green_uring *u = w->uring;

	if (u->open)
		io_uring_queue_exit(&u->ring);
	close_wakeup(u);
	free(u);
	w->uring = NULL;
}
