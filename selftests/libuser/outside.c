// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Calls by OS threads that are no workers, and by signal handlers. Built by greencc. A
 * case that hangs is killed by the harness.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fenv.h>
#include <green_sync.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "asleep.h"
#include "workers.h"

WITH_WORKERS(outside);

static struct green_sem s;
static int flag, ran;

static void clear(void)
{
	s = (struct green_sem)GREEN_SEM_INIT(0);
	flag = ran = 0;
}

static pthread_t os_thread(void *(*fn)(void *), void *arg)
{
	pthread_t p;

	if (pthread_create(&p, NULL, fn, arg))
		abort();
	return p;
}

/* Until nobody else has gone to sleep for a while: then all of them do. */
static void until_all_sleep(int looks)
{
	long last = -1, same = 0, n;

	while (same < looks) {
		usleep(20000);
		n = sleeps_of_others();
		same = n == last ? same + 1 : 0;
		last = n;
	}
}

/* ---- semaphores -------------------------------------------------------------- */

#define POSTS 20000

static void *posts(void *arg)
{
	long bad = 0;

	for (int i = 0; i < POSTS; i++)
		bad += green_sem_post(&s) != 0;
	return (void *)bad;
}

static int takes_posts(void *arg)
{
	pthread_t p[2];
	void *bad[2];

	clear();
	green_outside_begin();
	for (int i = 0; i < 2; i++)
		p[i] = os_thread(posts, NULL);
	for (int i = 0; i < 2 * POSTS; i++)
		if (green_sem_wait(&s))
			return 1;
	for (int i = 0; i < 2; i++)
		pthread_join(p[i], &bad[i]);
	return WRONG(!bad[0] && !bad[1]) + WRONG(green_sem_trywait(&s) == -EAGAIN) +
	       WRONG(green_outside_end() == 0);
}

GREEN_TEST(outside, posts, takes_posts);

/* Each is waited for at rest, so that each must end a rest. */
static void *posts_one_by_one(void *arg)
{
	for (int i = 1; i <= 2000; i++) {
		green_sem_post(&s);
		while (look(&flag) != i)
			;
	}
	return NULL;
}

static int takes_one_by_one(void *arg)
{
	pthread_t p;

	clear();
	green_outside_begin();
	p = os_thread(posts_one_by_one, NULL);
	for (int i = 1; i <= 2000; i++) {
		green_sem_wait(&s);
		set(&flag, i);
	}
	pthread_join(p, NULL);
	return green_outside_end();
}

GREEN_TEST(outside, a_post_ends_a_rest, takes_one_by_one);

static void *posts_when_all_sleep(void *arg)
{
	until_all_sleep(25);
	green_sem_post(&s);
	return NULL;
}

static int sleeps_until_a_post(void *arg)
{
	pthread_t p;

	clear();
	green_outside_begin();
	p = os_thread(posts_when_all_sleep, NULL);
	green_sem_wait(&s);
	pthread_join(p, NULL);
	return green_outside_end();
}

GREEN_TEST(outside, who_waits_for_a_post_sleeps, sleeps_until_a_post);

static void *overflows(void *arg)
{
	long bad = 0;

	bad += WRONG(green_sem_post(&s) == 0);
	bad += WRONG(green_sem_post(&s) == -EOVERFLOW);
	return (void *)bad;
}

static int is_full(void *arg)
{
	void *bad;

	clear();
	s.count = UINT_MAX - 1;
	pthread_join(os_thread(overflows, NULL), &bad);
	while (s.count != UINT_MAX)
		green_yield();
	return bad || WRONG(green_sem_post(&s) == -EOVERFLOW);
}

GREEN_TEST(outside, a_semaphore_that_is_full, is_full);

static void *posts_what_is_gone(void *arg)
{
	return (void *)(long)WRONG(green_sem_post(&s) == -EINVAL);
}

static int is_gone(void *arg)
{
	void *bad;

	clear();
	green_sem_destroy(&s);
	pthread_join(os_thread(posts_what_is_gone, NULL), &bad);
	return !!bad;
}

GREEN_TEST(outside, a_semaphore_that_is_destroyed, is_gone);

/* ---- other objects ------------------------------------------------------------- */

static struct green_event event;
static struct green_waitgroup group;

static void *sets_and_is_done(void *arg)
{
	long bad = 0;

	bad += WRONG(green_event_clear(&event) == 0);
	bad += WRONG(green_event_set(&event) == 0);
	bad += WRONG(green_waitgroup_add(&group, -2) == 0);
	bad += WRONG(green_waitgroup_done(&group) == 0);
	bad += WRONG(green_waitgroup_done(&group) == -EINVAL);
	return (void *)bad;
}

static int waits_for_them(void *arg)
{
	void *bad;
	pthread_t p;
	int err;

	memset(&event, 0, sizeof(event));
	memset(&group, 0, sizeof(group));
	green_waitgroup_add(&group, 3);
	green_outside_begin();
	p = os_thread(sets_and_is_done, NULL);
	err = WRONG(green_waitgroup_wait(&group) == 0) + WRONG(green_event_wait(&event) == 0);
	/* It waits for an answer yet, which this OS thread may have to give. */
	while (pthread_tryjoin_np(p, &bad))
		green_yield();
	return err || bad || green_outside_end();
}

GREEN_TEST(outside, events_and_wait_groups, waits_for_them);

/* ---- threads --------------------------------------------------------------------- */

#define STARTS 300

static green_t *started[STARTS];

static void counts(void *arg)
{
	count(&ran);
	green_sem_post(&s);
}

static void rounds(void *arg)
{
	*(int *)arg = fegetround();
	counts(NULL);
}

static void *starts(void *arg)
{
	const struct green_attr attr = { .name = "started", .stack_size = 32768 };
	long bad = 0;

	fesetround(FE_UPWARD);
	for (int i = 0; i < STARTS; i++) {
		started[i] = i % 2 ? green_go(counts, NULL) : green_go_opt(&attr, counts, NULL);
		if (!started[i])
			return (void *)1;
		if (i % 3 == 0)
			bad += WRONG(green_detach(started[i]) == 0);
	}
	bad += WRONG(green_go_opt(&attr, rounds, &flag) != NULL);
	return (void *)bad;
}

static int are_started(void *arg)
{
	pthread_t p;
	void *bad;
	int err = 0;

	clear();
	green_outside_begin();
	p = os_thread(starts, NULL);
	for (int i = 0; i < STARTS + 1; i++)
		green_sem_wait(&s);
	while (pthread_tryjoin_np(p, &bad))
		green_yield();
	for (int i = 0; i < STARTS; i++)
		err += WRONG(green_join(started[i]) == (i % 3 ? 0 : -EINVAL));
	err += WRONG(ran == STARTS + 1) + WRONG(flag == FE_UPWARD) + WRONG(fegetround() == FE_TONEAREST);
	return err || bad || green_outside_end();
}

GREEN_TEST(outside, threads_are_started, are_started);

static void waits_for_ever(void *arg)
{
	struct green_event never = { 0 };

	count(&ran);
	green_event_wait(&never);
}

static void *cancels(void *arg)
{
	green_t *t = green_go(waits_for_ever, NULL);
	long bad = 0;

	while (!look(&ran))
		sched_yield();
	bad += WRONG(green_cancel(t) == 0);
	bad += WRONG(green_cancel(NULL) == -EINVAL);
	started[0] = t;
	green_sem_post(&s);
	return (void *)bad;
}

static int joins_what_was_cancelled(void *arg)
{
	pthread_t p;
	void *bad;
	int err;

	clear();
	green_outside_begin();
	p = os_thread(cancels, NULL);
	green_sem_wait(&s);
	err = WRONG(green_join(started[0]) == -ECANCELED);
	pthread_join(p, &bad);
	return err || bad || green_outside_end();
}

GREEN_TEST(outside, a_thread_is_cancelled, joins_what_was_cancelled);

/* With several workers another one sees to it. */
static int computes(void *arg)
{
	pthread_t p;

	clear();
	p = os_thread(starts, NULL);
	while (look(&ran) < STARTS)
		;
	return pthread_join(p, NULL);
}

TEST_F(outside, while_one_worker_computes)
{
	if (variant->workers == 1)
		SKIP(return, "it would wait for itself");
	EXPECT_EQ(0, green_run(&self->opt, computes, NULL));
}

/* ---- channels ---------------------------------------------------------------------- */

#define SENDERS 3
#define SENDS 1500

static green_chan_t *ch;

static void *sends(void *arg)
{
	long bad = 0;

	for (long i = 0; i < SENDS; i++) {
		long value = (long)arg * SENDS + i;

		bad += green_chan_send(ch, &value) != 0;
	}
	return (void *)bad;
}

static int receives(size_t capacity)
{
	long next[SENDERS] = { 0 }, value;
	pthread_t p[SENDERS];
	int err = 0;

	ch = green_chan_new(sizeof(long), capacity);
	green_outside_begin();
	for (long i = 0; i < SENDERS; i++)
		p[i] = os_thread(sends, (void *)i);
	for (int i = 0; i < SENDERS * SENDS; i++) {
		if (green_chan_recv(ch, &value))
			return 1;
		err += value % SENDS != next[value / SENDS]++;
	}
	for (int i = 0; i < SENDERS; i++) {
		void *bad;

		while (pthread_tryjoin_np(p[i], &bad))
			green_yield();
		err += !!bad;
	}
	green_outside_end();
	return err + WRONG(green_chan_free(ch) == 0);
}

static int receives_values(void *arg)
{
	return receives(0) + receives(7);
}

GREEN_TEST(outside, values_are_sent, receives_values);

static void *tries(void *arg)
{
	long bad = 0, value = 1;

	bad += WRONG(green_chan_try_recv(ch, &value) == -EAGAIN);
	bad += WRONG(green_chan_try_send(ch, &value) == 0);
	bad += WRONG(green_chan_try_send(ch, &value) == -EAGAIN);
	bad += WRONG(green_chan_try_send(ch, NULL) == -EINVAL);
	value = 0;
	bad += WRONG(green_chan_try_recv(ch, &value) == 0 && value == 1);
	bad += WRONG(green_chan_close(ch) == 0);
	bad += WRONG(green_chan_close(ch) == -EPIPE);
	bad += WRONG(green_chan_send(ch, &value) == -EPIPE);
	bad += WRONG(green_chan_recv(ch, &value) == -EPIPE);
	return (void *)bad;
}

static int lets_it_try(void *arg)
{
	pthread_t p;
	void *bad;

	ch = green_chan_new(sizeof(long), 1);
	p = os_thread(tries, NULL);
	while (pthread_tryjoin_np(p, &bad))
		green_yield();
	return !!bad;
}

GREEN_TEST(outside, channels_are_tried_and_closed, lets_it_try);

static void *receives_all(void *arg)
{
	long sum = 0, value;

	while (!green_chan_recv(ch, &value))
		sum += value;
	return (void *)sum;
}

static int sends_to_os_threads(void *arg)
{
	pthread_t p[2];
	long sum = 0;

	ch = green_chan_new(sizeof(long), 2);
	green_outside_begin();
	for (int i = 0; i < 2; i++)
		p[i] = os_thread(receives_all, NULL);
	for (long i = 1; i <= 1000; i++)
		green_chan_send(ch, &i);
	green_chan_close(ch);
	for (int i = 0; i < 2; i++) {
		void *part;

		while (pthread_tryjoin_np(p[i], &part))
			green_yield();
		sum += (long)part;
	}
	return WRONG(sum == 500500) + green_outside_end();
}

GREEN_TEST(outside, values_are_received, sends_to_os_threads);

static void *sends_one(void *arg)
{
	long value = 1;

	return (void *)(long)green_chan_send(ch, &value);
}

static int closes_while_it_sends(void *arg)
{
	pthread_t p;
	void *ret;

	ch = green_chan_new(sizeof(long), 0);
	p = os_thread(sends_one, NULL);
	green_sleep_ns(20 * MS);
	green_chan_close(ch);
	while (pthread_tryjoin_np(p, &ret))
		green_yield();
	return WRONG((long)ret == -EPIPE);
}

GREEN_TEST(outside, a_channel_is_closed_while_one_sends, closes_while_it_sends);

/* ---- the end of the run, and deadlocks ------------------------------------------------ */

static pthread_t left[2];
static int tid[2];

static void *sends_for_ever(void *arg)
{
	long value = 1;

	set(&tid[0], gettid());
	return (void *)(long)green_chan_send(ch, &value);
}

static void *receives_for_ever(void *arg)
{
	long value = 7, ret;

	set(&tid[1], gettid());
	ret = green_chan_recv((green_chan_t *)arg, &value);
	return value == 7 ? (void *)ret : NULL;
}

static bool sleeps(int id)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", id);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d %*s %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state == 'S';
}

static int ends_while_they_wait(void *arg)
{
	clear();
	tid[0] = tid[1] = 0;
	ch = green_chan_new(sizeof(long), 0);
	left[0] = os_thread(sends_for_ever, NULL);
	left[1] = os_thread(receives_for_ever, green_chan_new(sizeof(long), 0));
	for (int i = 0; i < 2; i++)
		while (!look(&tid[i]) || !sleeps(tid[i]))
			green_sleep_ns(1 * MS);
	/* If their messages were not taken yet, they are now. */
	return green_sleep_ns(1 * MS);
}

TEST_F(outside, a_run_ends_while_they_wait)
{
	long ret[2];

	EXPECT_EQ(0, green_run(&self->opt, ends_while_they_wait, NULL));
	for (int i = 0; i < 2; i++) {
		pthread_join(left[i], (void **)&ret[i]);
		EXPECT_EQ(-ESHUTDOWN, ret[i]);
	}
}

static int deadlocks_while_they_wait(void *arg)
{
	ends_while_they_wait(NULL);
	return green_sem_wait(&s);
}

TEST_F(outside, a_deadlock_while_they_wait)
{
	long ret[2];

	self->opt.quiet = 1;
	EXPECT_EQ(-EDEADLK, green_run(&self->opt, deadlocks_while_they_wait, NULL));
	for (int i = 0; i < 2; i++) {
		pthread_join(left[i], (void **)&ret[i]);
		EXPECT_EQ(-ESHUTDOWN, ret[i]);
	}
}

static void *expects_no_more(void *arg)
{
	until_all_sleep(5);
	return (void *)(long)green_outside_end();
}

static int expects_in_vain(void *arg)
{
	clear();
	if (WRONG(green_outside_end() == -EINVAL) || WRONG(green_outside_begin() == 0))
		return 1;
	left[0] = os_thread(expects_no_more, NULL);
	return green_sem_wait(&s);
}

TEST_F(outside, a_deadlock_once_nobody_is_expected)
{
	void *ret;

	self->opt.quiet = 1;
	EXPECT_EQ(-EDEADLK, green_run(&self->opt, expects_in_vain, NULL));
	pthread_join(left[0], &ret);
	EXPECT_EQ(NULL, ret);
}

TEST(without_a_run)
{
	long value = 0;

	clear();
	EXPECT_EQ(-EPERM, green_sem_post(&s));
	EXPECT_EQ(-EPERM, green_outside_begin());
	EXPECT_EQ(-EPERM, green_outside_end());
	EXPECT_EQ(-EPERM, green_chan_send(ch, &value));
	EXPECT_EQ(-EPERM, green_chan_try_send(ch, &value));
	EXPECT_EQ(-EPERM, green_chan_recv(ch, &value));
	EXPECT_EQ(-EPERM, green_chan_close(ch));
	EXPECT_EQ(-EPERM, green_event_set(&event));
	EXPECT_EQ(-EPERM, green_waitgroup_add(&group, 1));
	EXPECT_EQ(-EPERM, green_detach(started[0]));
	EXPECT_EQ(-EPERM, green_cancel(started[0]));
	EXPECT_EQ(NULL, green_go(counts, NULL));
	EXPECT_EQ(NULL, green_go_opt(NULL, counts, NULL));
	EXPECT_EQ(0, s.count);
}

/* Runs come and go under the feet of those that call; what was posted is there in the end. */
#define RUNS 150

static int over;
static long posted;

static int is_answer(long ret)
{
	return !ret || ret == -EPERM || ret == -ESHUTDOWN || ret == -EINVAL || ret == -EAGAIN ||
	       ret == -EPIPE;
}

static void does_nothing(void *arg)
{
}

static void *calls_all(void *arg)
{
	long bad = 0, value = 0;
	unsigned int i = (unsigned int)(long)arg;

	for (; !look(&over); i++) {
		green_t *t;

		if (!green_sem_post(&s))
			__atomic_add_fetch(&posted, 1, __ATOMIC_RELAXED);
		switch (i % 5) {
		case 0:
			t = green_go(does_nothing, NULL);
			bad += t && !is_answer(green_detach(t));
			break;
		case 1:
			bad += !is_answer(green_chan_send(ch, &value));
			break;
		case 2:
			bad += !is_answer(green_chan_recv(ch, &value));
			break;
		case 3:
			bad += !is_answer(green_chan_try_send(ch, &value));
			break;
		case 4:
			bad += !is_answer(green_outside_begin()) + !is_answer(green_outside_end());
			break;
		}
	}
	return (void *)bad;
}

static int taken;

static int takes_some(void *arg)
{
	ch = green_chan_new(sizeof(long), 1);
	for (int i = 0; i < 20; i++) {
		taken += !green_sem_trywait(&s);
		green_yield();
	}
	return 0;
}

static int takes_the_rest(void *arg)
{
	/* Those of this run, too. */
	for (int i = 0; i < 200; i++)
		green_yield();
	while (!green_sem_trywait(&s))
		taken++;
	return 0;
}

TEST_F(outside, runs_end_while_others_call)
{
	pthread_t p[3];

	clear();
	over = taken = posted = 0;
	for (long i = 0; i < 3; i++)
		p[i] = os_thread(calls_all, (void *)i);
	for (int i = 0; i < RUNS; i++)
		EXPECT_EQ(0, green_run(&self->opt, takes_some, NULL));
	set(&over, 1);
	for (int i = 0; i < 3; i++) {
		void *bad;

		pthread_join(p[i], &bad);
		EXPECT_EQ(NULL, bad);
	}
	EXPECT_EQ(0, green_run(&self->opt, takes_the_rest, NULL));
	EXPECT_LT(0, posted);
	EXPECT_EQ(posted, taken);
}

/* ---- signal handlers ------------------------------------------------------------------- */

static long by_handlers, in_vain;

static void on_signal(int sig)
{
	int old = errno;

	errno = 123;
	if (green_sem_post(&s))
		__atomic_add_fetch(&in_vain, 1, __ATOMIC_RELAXED);
	else
		__atomic_add_fetch(&by_handlers, 1, __ATOMIC_RELAXED);
	if (errno != 123)
		abort();
	errno = old;
}

static void handle(void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
}

static void every_us(long us)
{
	struct itimerval it = { .it_interval.tv_usec = us, .it_value.tv_usec = us };

	setitimer(ITIMER_REAL, &it, NULL);
}

/* All OS threads but this one, again and again. */
static void *kills_all(void *arg)
{
	int self = gettid();

	while (!look(&over)) {
		DIR *dir = opendir("/proc/self/task");
		struct dirent *d;

		while (dir && (d = readdir(dir)))
			if (atoi(d->d_name) > 0 && atoi(d->d_name) != self)
				syscall(SYS_tgkill, getpid(), atoi(d->d_name), SIGUSR1);
		if (dir)
			closedir(dir);
	}
	return NULL;
}

#define BY_HANDLERS 20000

/* The handlers come in the middle of calls on the same semaphore. */
static void passes_on(void *arg)
{
	while (!look(&over)) {
		green_sem_post(&s);
		green_sem_wait(&s);
		if (!green_sem_trywait(&s))
			count(&ran);
		green_yield();
	}
}

static int takes_what_handlers_post(void *arg)
{
	green_t *t[3];
	pthread_t p;

	clear();
	over = by_handlers = in_vain = 0;
	green_outside_begin();
	handle(on_signal);
	every_us(50);
	p = os_thread(kills_all, NULL);
	for (int i = 0; i < 3; i++)
		t[i] = green_go(passes_on, NULL);
	while (__atomic_load_n(&by_handlers, __ATOMIC_RELAXED) < BY_HANDLERS)
		if (!green_sem_wait(&s))
			count(&ran);
	every_us(0);
	set(&over, 1);
	while (pthread_tryjoin_np(p, NULL))
		green_yield();
	/* Each may wait for what another has taken, and take one itself. */
	for (int i = 0; i < 6; i++)
		green_sem_post(&s);
	for (int i = 0; i < 3; i++)
		green_join(t[i]);
	ran -= 6;
	/* A signal that was sent has been handled when the other OS threads have run on. */
	for (int i = 0; i < 1000 || ran < by_handlers; i++) {
		if (!green_sem_trywait(&s))
			ran++;
		green_yield();
	}
	handle(SIG_IGN);
	return WRONG(ran == by_handlers) + WRONG(!in_vain) +
	       WRONG(green_sem_trywait(&s) == -EAGAIN) + green_outside_end();
}

GREEN_TEST(outside, handlers_post, takes_what_handlers_post);

/* All workers rest, and the handler runs on one of them. */
static void *signals_one_by_one(void *arg)
{
	for (int i = 1; i <= 2000; i++) {
		kill(getpid(), SIGUSR1);
		while (look(&flag) != i)
			;
	}
	return NULL;
}

static int is_woken_by_handlers(void *arg)
{
	sigset_t usr1;
	pthread_t p;

	clear();
	handle(on_signal);
	green_outside_begin();
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	/* The other OS thread does not handle it. */
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	p = os_thread(signals_one_by_one, NULL);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	for (int i = 1; i <= 2000; i++) {
		green_sem_wait(&s);
		set(&flag, i);
	}
	pthread_join(p, NULL);
	handle(SIG_IGN);
	return green_outside_end();
}

GREEN_TEST(outside, a_handlers_post_ends_a_rest, is_woken_by_handlers);

static int answers[8];

static void calls_what_it_must_not(int sig)
{
	long value = 1;

	answers[0] = green_go(counts, NULL) != NULL;
	answers[1] = green_chan_send(ch, &value);
	answers[2] = green_chan_try_send(ch, &value);
	answers[3] = green_chan_recv(ch, &value);
	answers[4] = green_event_set(&event);
	answers[5] = green_sem_wait(&s);
	answers[6] = green_outside_begin();
	answers[7] = green_outside_end();
}

static int must_not(void *arg)
{
	static const int right[8] = { 0, -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, 0, 0 };

	clear();
	s.count = 1;
	ch = green_chan_new(sizeof(long), 1);
	handle(calls_what_it_must_not);
	raise(SIGUSR1);
	handle(SIG_IGN);
	return WRONG(!memcmp(answers, right, sizeof(right))) + WRONG(s.count == 1);
}

GREEN_TEST(outside, what_a_handler_on_a_worker_must_not, must_not);

/* It is on its way, until this worker or another one looks around. */
static int destroys_on_the_way(void *arg)
{
	int err = 0;

	clear();
	handle(on_signal);
	raise(SIGUSR1);
	err += *(unsigned int *)arg == 1 && WRONG(green_sem_destroy(&s) == -EBUSY);
	err += WRONG(green_sem_wait(&s) == 0) + WRONG(green_sem_destroy(&s) == 0);
	in_vain = 0;
	raise(SIGUSR1);
	handle(SIG_IGN);
	return err + WRONG(in_vain == 1);
}

TEST_F(outside, a_post_is_on_its_way_to_what_is_destroyed)
{
	EXPECT_EQ(0, green_run(&self->opt, destroys_on_the_way, &self->opt.workers));
}

static int ends_before_it_comes(void *arg)
{
	handle(on_signal);
	for (int i = 0; i < 3; i++)
		raise(SIGUSR1);
	handle(SIG_IGN);
	return 0;
}

static int finds_it(void *arg)
{
	return WRONG(!green_sem_wait(&s)) + WRONG(!green_sem_trywait(&s)) +
	       WRONG(!green_sem_wait(&s)) + WRONG(green_sem_trywait(&s) == -EAGAIN);
}

TEST_F(outside, a_post_that_a_run_has_left)
{
	clear();
	EXPECT_EQ(0, green_run(&self->opt, ends_before_it_comes, NULL));
	EXPECT_EQ(0, green_run(&self->opt, finds_it, NULL));
}

/* ---- children of fork() -------------------------------------------------------------------- */

static int waits_for_two(void *arg)
{
	pthread_t p;
	int err;

	clear();
	green_outside_begin();
	p = os_thread(posts_when_all_sleep, NULL);
	handle(on_signal);
	raise(SIGUSR1);
	err = WRONG(!green_sem_wait(&s)) + WRONG(!green_sem_wait(&s));
	pthread_join(p, NULL);
	handle(SIG_IGN);
	return err + green_outside_end();
}

/* What is on its way, and what comes then; also from outside of a run within. */
static int child(void)
{
	int err = WRONG(!green_sem_wait(&s)) + WRONG(green_sem_trywait(&s) == -EAGAIN);

	err += WRONG(green_outside_end() == -EINVAL);
	err += waits_for_two(NULL);
	clear();
	handle(on_signal);
	raise(SIGUSR1);
	handle(SIG_IGN);
	err += WRONG(!green_run(NULL, waits_for_two, NULL));
	err += waits_for_two(NULL);
	return err;
}

static int forks(void *arg)
{
	int status;
	pid_t pid;

	clear();
	handle(on_signal);
	green_outside_begin();
	raise(SIGUSR1);
	handle(SIG_IGN);
	pid = fork();
	if (!pid)
		_exit(child());
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return WRONG(!status) + WRONG(!green_sem_wait(&s)) + green_outside_end();
}

GREEN_TEST(outside, children_of_fork, forks);

/* The nearest run of a child that was not forked by a green thread is one of its own. */
static void *forks_outside(void *arg)
{
	int status = 1;
	pid_t pid = fork();

	if (!pid)
		_exit(WRONG(green_sem_post(&s) == -EPERM) +
		      WRONG(!green_run(NULL, waits_for_two, NULL)));
	waitpid(pid, &status, 0);
	green_sem_post(&s);
	return (void *)(long)status;
}

static int is_forked_outside(void *arg)
{
	pthread_t p;
	void *bad;

	clear();
	green_outside_begin();
	p = os_thread(forks_outside, NULL);
	green_sem_wait(&s);
	pthread_join(p, &bad);
	return !!bad + green_outside_end();
}

GREEN_TEST(outside, children_of_other_os_threads, is_forked_outside);

TEST_HARNESS_MAIN
