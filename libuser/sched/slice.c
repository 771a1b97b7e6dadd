/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Time slices. A thread that has run for long while others wait gives way at its next entry
 * test: what the test compares rsp with is raised above all addresses, so it calls
 * rt_stack_grow(), which finds room enough, and that the slice is over.
 *
 * Who notices is an OS thread of its own, the watcher: it looks twice a slice at how many
 * switches each worker has made. It makes no system call while all workers rest: a few
 * looks after they have it waits in a futex until one rises. Signals would do without an
 * OS thread, but end system calls of foreign code with EINTR.
 *
 * The limit that is raised is the one in the OS thread's control block, never t->limit: so
 * the true one cannot be lost. Whatever the worker does at that moment, it ends well:
 *
 *	It enters, leaves or is in the runtime, and so may switch threads, grow or move a stack,
 *	begin a segment or drop some: on its way out it sets the limit to what t->limit is then.
 *	Either that comes first, and the next entry test looks in vain or yields to
 *	nobody's harm; or what the watcher wrote is gone, and the next look writes it again.
 *	It leaves a segment (join.S), lands from a jump (green_landed()): the same.
 *	A signal handler's entry test finds it: rsp is not on the thread's stack, the test
 *	goes on, and the thread itself finds it afterwards.
 *	It has left the scheduler for good: the control block is there until the OS thread is
 *	joined, and before that the watcher has ended. What green_run()'s caller goes on
 *	with is set to 0 once more.
 *
 * Why the test came says w->over, which is set before the limit: the number of the switch
 * since which the worker's thread has run too long. At another one it means nothing.
 *
 * Only who might as well go on on another OS thread gives way: other code's frames may have
 * taken what belongs to this one, a lock that another thread here would wait for or, if it is
 * recursive, be let in by; who is bound says that it has. errno belongs to the OS thread
 * and is the program's between any two calls of its own: it is put aside.
 */
#define _GNU_SOURCE
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/poller.h"
#include "sched/portable.h"
#include "sched/queue.h"
#include "sched/slice.h"
#include "stack/move.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looks without anything that runs before the watcher sleeps. */
#define QUIET_LOOKS	8

/*
 * How often the limit is looked at once it was raised, and how often it is to have stayed:
 * some 0.1 ms.
 */
#define LOOKS		2000
#define STAYS		64

/* Frames of a thread that gives way. */
#define MAX_FRAMES	65536

#define WATCHER_STACK	(256UL << 10)

enum { AWAKE, ASLEEP, ENDS };

GREEN_PER_RUN static struct {
	bool begun;			/* only workers look, one at a time */
	pthread_t thread;
	unsigned int state;		/* a futex */
	/* The watcher's own. */
	unsigned int rises;		/* green_rt.rises at the last look */
	struct {
		uint64_t switches;	/* the worker's, at the last look */
		uint64_t since;		/* when that was seen first, in nanoseconds */
	} seen[GREEN_MAX_WORKERS];
} slices;

/* ---- the thread's side ------------------------------------------------------ */

void green_give_way(struct green_worker *w, struct green *t)
{
	green_set_current(w, NULL);
	if (green_rt.debug.move_park) {
		green_set_state(t, STATE_MOVING);
		green_move(t, 0, NULL);
	}
	green_set_state(t, STATE_READY);
	w->yielded = t;
}

/* Debugging: in one of so many entry checks it is. */
static bool is_over(const struct green_worker *w)
{
	static unsigned int nr;

	if (green_rt.debug.slice && ++nr % green_rt.debug.slice == 0)
		return true;
	return __atomic_load_n(&w->over, __ATOMIC_RELAXED) == w->stats.switches;
}

void green_slice_look(struct green_worker *w, struct green *t)
{
	if (!is_over(w))
		return;
	if (!green_is_portable(t, MAX_FRAMES))
		return;
	/* That call returns nothing. */
	t->ret = errno;
	t->sliced = true;
	green_count(sliced, 1);
	/* Timers and the ring have waited as well. */
	w->ticks = 1;
	green_give_way(w, t);
}

void green_slice_resume(struct green *t)
{
	t->sliced = false;
	errno = (int)t->ret;
}

/* ---- the watcher ------------------------------------------------------------ */

/* While *@word is @is, for @ns or, if those are 0, for ever. */
static void futex_wait(unsigned int *word, unsigned int is, uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };

	syscall(SYS_futex, word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, is, ns ? &ts : NULL, NULL, 0);
}

static void futex_wake(unsigned int *word)
{
	int old = errno;

	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
	errno = old;
}

/* Is there who would run on @v, or has to be looked after there? */
static bool others_wait(const struct green_worker *v)
{
	if (green_queue_nr(&v->aside) || __atomic_load_n(&v->timers.nr, __ATOMIC_RELAXED) ||
	    green_rt.poller->busy(v))
		return true;
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		if (green_queue_nr(&green_rt.worker[i].runq))
			return true;
	return false;
}

/*
 * What is written while @v is in the runtime is lost on its way out, and there a thread may be
 * most of the time: it is written again until it stays, or has made the thread give way.
 */
static void raise_limit(const struct green_worker *v, uint64_t switches, uintptr_t *limit)
{
	unsigned int stayed = 0;

	for (unsigned int i = 0; i < LOOKS && stayed < STAYS; i++) {
		if (__atomic_load_n(&v->stats.switches, __ATOMIC_RELAXED) != switches)
			return;
		if (__atomic_load_n(limit, __ATOMIC_RELAXED) == UINTPTR_MAX &&
		    __atomic_load_n(&v->running, __ATOMIC_RELAXED)) {
			stayed++;
		} else {
			__atomic_store_n(limit, UINTPTR_MAX, __ATOMIC_RELEASE);
			stayed = 0;
		}
		__builtin_ia32_pause();
	}
}

static void look_at(struct green_worker *v, uint64_t now)
{
	uint64_t switches = __atomic_load_n(&v->stats.switches, __ATOMIC_RELAXED);
	uintptr_t *limit = __atomic_load_n(&v->limit, __ATOMIC_ACQUIRE);

	if (switches != slices.seen[v->nr].switches ||
	    __atomic_load_n(&v->rests, __ATOMIC_RELAXED)) {
		slices.seen[v->nr].switches = switches;
		slices.seen[v->nr].since = now;
		return;
	}
	if (now - slices.seen[v->nr].since < green_rt.opt.slice || !limit ||
	    !others_wait(v))
		return;
	__atomic_store_n(&v->over, switches, __ATOMIC_RELAXED);
	raise_limit(v, switches, limit);
}

/* Has nothing run since the last look? */
static bool all_have_rested(void)
{
	unsigned int rises = atomic_load(&green_rt.rises);
	bool same = rises == slices.rises;

	slices.rises = rises;
	return same && atomic_load(&green_rt.nr_idle) == green_rt.nr_workers;
}

static bool pass(unsigned int from, unsigned int to)
{
	return __atomic_compare_exchange_n(&slices.state, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

/* It says so first, then looks; who rises is counted first, then looks: green_slices_rise(). */
static void sleep_until_one_rises(void)
{
	if (!pass(AWAKE, ASLEEP))
		return;
	if (!all_have_rested())
		pass(ASLEEP, AWAKE);
	while (__atomic_load_n(&slices.state, __ATOMIC_SEQ_CST) == ASLEEP)
		futex_wait(&slices.state, ASLEEP, 0);
}

static void *watch(void *arg)
{
	unsigned int quiet = 0;

	pthread_setname_np(pthread_self(), "green-slices");
	while (__atomic_load_n(&slices.state, __ATOMIC_SEQ_CST) != ENDS) {
		uint64_t now = green_now_ns();

		for (unsigned int i = 0; i < green_rt.nr_workers; i++)
			look_at(&green_rt.worker[i], now);
		quiet = all_have_rested() ? quiet + 1 : 0;
		if (quiet < QUIET_LOOKS)
			futex_wait(&slices.state, AWAKE, green_rt.opt.slice / 2);
		else
			sleep_until_one_rises();
	}
	return arg;
}

/* Handlers of the process's signals run on the program's own threads. */
static void block(sigset_t *old)
{
	/* What an instruction raises cannot wait, also while the program steps through itself. */
	static const int raised[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	sigset_t all;

	sigfillset(&all);
	for (unsigned int i = 0; i < sizeof(raised) / sizeof(raised[0]); i++)
		sigdelset(&all, raised[i]);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

static int start(void)
{
	pthread_attr_t attr;
	sigset_t old;
	int err = pthread_attr_init(&attr);

	if (err)
		return -err;
	pthread_attr_setstacksize(&attr, WATCHER_STACK);
	block(&old);
	err = pthread_create(&slices.thread, &attr, watch, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

void green_slices_begin(void)
{
	static bool said;
	int err;

	if (!green_rt.opt.slice ||
	    __atomic_load_n(&slices.begun, __ATOMIC_RELAXED) ||
	    __atomic_exchange_n(&slices.begun, true, __ATOMIC_ACQ_REL))
		return;
	err = start();
	if (!err)
		return;
	/* Nobody is to join it, nor to try again. */
	green_rt.opt.slice = 0;
	slices.begun = false;
	green_complain(&said, "no OS thread that watches time slices, so there are none: %s",
		       strerrordesc_np(-err));
}

void green_slices_rise(void)
{
	if (__atomic_load_n(&slices.state, __ATOMIC_SEQ_CST) == ASLEEP && pass(ASLEEP, AWAKE))
		futex_wake(&slices.state);
}

bool green_slices_end(void)
{
	if (!slices.begun)
		return false;
	__atomic_store_n(&slices.state, ENDS, __ATOMIC_SEQ_CST);
	futex_wake(&slices.state);
	pthread_join(slices.thread, NULL);
	green_slices_forked();
	return true;
}

void green_slices_forked(void)
{
	memset(&slices, 0, sizeof(slices));
}
