/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The inbox of a run: what OS threads that are no workers want done, and what signal
 * handlers have posted. There is one for all workers, so that nothing lies with a worker
 * which is busy for long; whoever looks around first takes all of it. Two lists, to which
 * anybody pushes by compare-and-swap, and from which a worker takes everything by one
 * exchange:
 *
 * - messages, each on the stack of an OS thread that waits for the answer. From the push on
 *   a message is the inbox's, then who took it has it, and from the store to its done on
 *   it is the sender's again, and may be gone.
 * - semaphores. One is in the list if it has posts of the present run that nobody has taken:
 *   the one who makes the first of them, and no other, puts it there. So a post is one
 *   read-modify-write of the semaphore, and who made it touches that no more, unless it
 *   was the first, and then nobody can have received it yet.
 *
 * Who has pushed looks for a worker that rests, and kicks it. A worker that is about to
 * rest counts itself among those that do and looks into the inbox once more: so one sees the
 * other (outside.pml). There is no lock in this; a handler may have interrupted whoever
 * holds one.
 *
 * Who is in the middle of a push or a kick is counted at the gate, and the end of a run
 * waits for him there, after which nobody touches a worker, and all messages are in the
 * list or answered. The wait for an answer is outside of the gate: it touches nothing but
 * the message.
 */
#define _GNU_SOURCE
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "sched/outside.h"
#include "sched/poller.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The arithmetic of whoever calls, for what he starts. */
struct arithmetic {
	unsigned int mxcsr;
	unsigned short fpucw;
};

struct message {
	struct message *next;
	void (*run)(struct message *m);
	union {
		green_outside_fn call;
		green_outside_wait_fn wait;
	} fn;
	long arg[3];
	struct arithmetic arithmetic;
	long ret;
	unsigned int done;		/* a futex; ret is there */
};

/* The gate: who is in it, and ... */
#define OPEN	(1u << 31)
#define CLOSING	(1u << 30)		/* ... somebody waits until nobody is */

/*
 * Not of a run, since nobody but a run's end can tell whether somebody is about to look at
 * it: it is there as long as the process.
 */
static struct {
	unsigned int gate;
	unsigned int number;		/* of this run, or child of fork(); for semaphores */
	struct message *messages;
	struct green_sem *posts;
} inbox;

/* green_outside_begin(); changed in the gate only. */
GREEN_PER_RUN static unsigned int expected;

/* So often this OS thread is in the gate: a handler may have interrupted it there. */
static __thread unsigned int inside __attribute__((tls_model("initial-exec")));

static void futex(unsigned int *word, int op, unsigned int value)
{
	int old = errno;

	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
	errno = old;
}

static void leave(void)
{
	if (__atomic_sub_fetch(&inbox.gate, 1, __ATOMIC_SEQ_CST) == CLOSING)
		futex(&inbox.gate, FUTEX_WAKE, 1);
	inside--;
}

/* True: the run does not end before the caller has left. */
static bool enter(void)
{
	inside++;
	if (__atomic_fetch_add(&inbox.gate, 1, __ATOMIC_SEQ_CST) & OPEN)
		return true;
	leave();
	return false;
}

/* One worker that rests is enough. Where none does, all are going to look. */
static void kick(void)
{
	if (!atomic_load(&green_rt.nr_idle))
		return;
	for (unsigned int i = 0; i < green_rt.nr_workers; i++) {
		struct green_worker *w = &green_rt.worker[i];

		if (__atomic_load_n(&w->rests, __ATOMIC_ACQUIRE) &&
		    !__atomic_exchange_n(&w->kicked, true, __ATOMIC_SEQ_CST)) {
			green_rt.poller->kick(w);
			return;
		}
	}
}

/* ---- messages --------------------------------------------------------------- */

static void push(struct message *m)
{
	m->next = __atomic_load_n(&inbox.messages, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&inbox.messages, &m->next, m, true,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

/*
 * The sender may see that at once, and its stack be gone: the kernel is only given the
 * address then, and where that is another futex's, its waiter looks once more.
 */
static void answer(struct message *m, long ret)
{
	m->ret = ret;
	__atomic_store_n(&m->done, 1, __ATOMIC_RELEASE);
	futex(&m->done, FUTEX_WAKE, 1);
}

static long ask(struct message *m)
{
	/* Not in a handler on a worker, which would wait for itself. */
	if (green_worker || !enter())
		return -EPERM;
	__asm__ volatile("stmxcsr %0" : "=m"(m->arithmetic.mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(m->arithmetic.fpucw));
	push(m);
	kick();
	leave();
	while (!__atomic_load_n(&m->done, __ATOMIC_ACQUIRE))
		futex(&m->done, FUTEX_WAIT, 0);
	return m->ret;
}

/* Threads inherit it from those that start them. */
static void run_call(struct message *m)
{
	struct arithmetic own;
	long ret;

	__asm__ volatile("stmxcsr %0" : "=m"(own.mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(own.fpucw));
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : :
			 "m"(m->arithmetic.mxcsr), "m"(m->arithmetic.fpucw));
	ret = m->fn.call(m->arg[0], m->arg[1], m->arg[2]);
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(own.mxcsr), "m"(own.fpucw));
	answer(m, ret);
}

long green_outside_call_(green_outside_fn fn, long a, long b, long c)
{
	struct message m = { .run = run_call, .fn.call = fn, .arg = { a, b, c } };

	return ask(&m);
}

/* ---- guests ----------------------------------------------------------------- */

struct visit {
	struct message message;
	struct green guest;
};

static void run_wait(struct message *m)
{
	struct visit *v = (struct visit *)m;
	long ret = m->fn.wait(&v->guest, m->arg[0], m->arg[1]);

	/* Parked, it may have been answered already. */
	if (ret != GREEN_OUTSIDE_PARKED)
		answer(m, ret);
}

void green_outside_ready(struct green *guest)
{
	struct visit *v = (struct visit *)((char *)guest - offsetof(struct visit, guest));

	answer(&v->message, guest->ret);
}

long green_outside_wait(green_outside_wait_fn fn, long a, long b)
{
	struct visit v = {
		.message = { .run = run_wait, .fn.wait = fn, .arg = { a, b } },
		.guest = { .timer = -1 },
	};

	return ask(&v.message);
}

/* ---- posts ------------------------------------------------------------------ */

/*
 * A semaphore's word: how many, and for which number of the inbox. If that is not the present
 * one, the semaphore is in no list.
 */
static bool is_listed(uint64_t posts)
{
	return (unsigned int)posts && posts >> 32 == inbox.number;
}

static uint64_t word(unsigned int nr)
{
	return (uint64_t)inbox.number << 32 | nr;
}

static void push_posts(struct green_sem *s)
{
	s->next_posted = __atomic_load_n(&inbox.posts, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&inbox.posts, &s->next_posted, s, true,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
}

/* From the exchange on, if that was not its first post, @s may be gone. */
static int post(struct green_sem *s)
{
	uint64_t was = __atomic_load_n(&s->posts, __ATOMIC_RELAXED);
	unsigned int nr;

	do {
		nr = (unsigned int)was;
		if (nr >= UINT_MAX - __atomic_load_n(&s->count, __ATOMIC_RELAXED))
			return -EOVERFLOW;
	} while (!__atomic_compare_exchange_n(&s->posts, &was, word(nr + 1), true,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	if (is_listed(was))
		return 0;
	push_posts(s);
	kick();
	return 0;
}

int green_outside_post(struct green_sem *s)
{
	int err;

	if (!enter())
		return -EPERM;
	err = post(s);
	leave();
	return err;
}

bool green_outside_posts(const struct green_sem *s)
{
	return is_listed(__atomic_load_n(&s->posts, __ATOMIC_ACQUIRE));
}

unsigned int green_outside_take(struct green_sem *s)
{
	return (unsigned int)__atomic_exchange_n(&s->posts, word(0), __ATOMIC_SEQ_CST);
}

unsigned int green_outside_left(struct green_sem *s)
{
	uint64_t was = __atomic_load_n(&s->posts, __ATOMIC_ACQUIRE);

	while ((unsigned int)was && !is_listed(was))
		if (__atomic_compare_exchange_n(&s->posts, &was, word(0), true,
						__ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
			return (unsigned int)was;
	return 0;
}

/* ---- what a worker finds ---------------------------------------------------- */

bool green_outside_waits(void)
{
	return __atomic_load_n(&inbox.messages, __ATOMIC_SEQ_CST) ||
	       __atomic_load_n(&inbox.posts, __ATOMIC_SEQ_CST);
}

/* The first that came first. */
static struct message *take_messages(void)
{
	struct message *m = __atomic_exchange_n(&inbox.messages, NULL, __ATOMIC_SEQ_CST);
	struct message *list = NULL, *next;

	for (; m; m = next) {
		next = m->next;
		m->next = list;
		list = m;
	}
	return list;
}

static void take_posts(void)
{
	struct green_sem *s = __atomic_exchange_n(&inbox.posts, NULL, __ATOMIC_SEQ_CST);

	if (s)
		green_worker->doors.posted(s);
}

bool green_outside_look(void)
{
	struct message *m, *next;

	if (!green_outside_waits())
		return false;
	take_posts();
	for (m = take_messages(); m; m = next) {
		next = m->next;
		m->run(m);
	}
	return true;
}

/* ---- what is to be expected ------------------------------------------------- */

bool green_outside_is_expected(void)
{
	return __atomic_load_n(&expected, __ATOMIC_SEQ_CST);
}

int green_outside_begin(void)
{
	if (!enter())
		return -EPERM;
	__atomic_fetch_add(&expected, 1, __ATOMIC_SEQ_CST);
	leave();
	return 0;
}

static int expect_one_less(void)
{
	unsigned int was = __atomic_load_n(&expected, __ATOMIC_RELAXED);

	do {
		if (!was)
			return -EINVAL;
	} while (!__atomic_compare_exchange_n(&expected, &was, was - 1, true,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	/* All may rest by now, and if nobody else can end that one of them is to say so. */
	if (was == 1)
		kick();
	return 0;
}

int green_outside_end(void)
{
	int err;

	if (!enter())
		return -EPERM;
	err = expect_one_less();
	leave();
	return err;
}

/* ---- runs ------------------------------------------------------------------- */

/* Semaphores of another number are in no list, whoever has them in his. */
static void begin_anew(void)
{
	inbox.number++;
	inbox.messages = NULL;
	inbox.posts = NULL;
}

void green_outside_open(void)
{
	begin_anew();
	__atomic_fetch_or(&inbox.gate, OPEN, __ATOMIC_SEQ_CST);
}

static void wait_until_nobody_is_in_the_gate(void)
{
	unsigned int now;

	while ((now = __atomic_load_n(&inbox.gate, __ATOMIC_SEQ_CST)) != CLOSING)
		futex(&inbox.gate, FUTEX_WAIT, now);
}

/*
 * Posts that a run's end finds are left with their semaphores, whose memory may be gone with
 * the run: green_outside_left().
 */
void green_outside_close(bool goes_on)
{
	struct message *m, *next;

	__atomic_fetch_xor(&inbox.gate, OPEN | CLOSING, __ATOMIC_SEQ_CST);
	wait_until_nobody_is_in_the_gate();
	__atomic_fetch_and(&inbox.gate, ~CLOSING, __ATOMIC_SEQ_CST);
	if (goes_on)
		take_posts();
	else
		expected = 0;
	for (m = take_messages(); m; m = next) {
		next = m->next;
		answer(m, -ESHUTDOWN);
	}
}

/* Of those that were in the gate only this OS thread is here. */
void green_outside_forked(bool runs)
{
	sigset_t all, old;

	/* A handler's post comes before that, or after it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	begin_anew();
	expected = 0;
	inbox.gate = (runs ? OPEN : 0) + inside;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
