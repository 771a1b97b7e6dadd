// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Where handlers of signals run, and what is left of them afterwards. Built by greencc. */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alone.h"
#include "child.h"
#include "foreign.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))

static volatile uintptr_t handled_at;
static volatile int handled;

static void NOINLINE fill(volatile char *room, size_t n)
{
	memset((char *)room, 'R', n);
}

/* As much as a report takes, on the stack of an OS thread. */
static void takes_much(int sig)
{
	volatile char room[200 << 10];

	fill(room, sizeof(room));
	handled_at = (uintptr_t)room;
	handled += room[5] == 'R';
}

static void says_where(int sig)
{
	int here;

	handled_at = (uintptr_t)&here;
	handled++;
}

/* ---- room ----------------------------------------------------------------- */

#define CHUNKS 64
#define CHUNK 8000

static unsigned char *chunk[CHUNKS];

static int chunks_that_changed(void)
{
	int n = 0;

	for (int i = 0; i < CHUNKS; i++)
		for (int k = 0; k < CHUNK; k++)
			if (chunk[i][k] != (unsigned char)(i ^ k)) {
				n++;
				break;
			}
	return n;
}

static int raises_among_chunks(void *arg)
{
	handled = 0;
	raise(SIGUSR1);
	raise(SIGUSR1);
	return handled == 2 ? chunks_that_changed() : -1;
}

TEST(handlers_have_room)
{
	struct sigaction sa;

	for (int i = 0; i < CHUNKS; i++) {
		chunk[i] = malloc(CHUNK);
		for (int k = 0; k < CHUNK; k++)
			chunk[i][k] = i ^ k;
	}
	signal(SIGUSR1, takes_much);
	EXPECT_EQ(0, green_run(&alone, raises_among_chunks, NULL));
	EXPECT_EQ(0, sigaction(SIGUSR1, NULL, &sa));
	EXPECT_EQ(SA_RESTART, sa.sa_flags & (SA_RESTART | SA_ONSTACK));
	EXPECT_EQ((uintptr_t)takes_much, (uintptr_t)sa.sa_handler);
	signal(SIGUSR1, SIG_DFL);
}

static volatile char *volatile lowest;

static void NOINLINE descends(int n)
{
	volatile char room[4096];

	room[0] = n;
	lowest = room;
	if (n)
		descends(n - 1);
	room[1] = 0;
}

static void descends_in_handler(int sig)
{
	descends(500);
}

static int raises(void *arg)
{
	raise(SIGUSR1);
	return 0;
}

static int handler_without_end(void *arg)
{
	signal(SIGUSR1, descends_in_handler);
	return green_run(&alone, raises, NULL);
}

static void far_frame(int sig)
{
	foreign_low(600 << 10);
}

static int handler_with_large_frame(void *arg)
{
	signal(SIGUSR1, far_frame);
	return green_run(&alone, raises, NULL);
}

TEST(a_handler_that_takes_too_much)
{
	int status = child(handler_without_end, NULL);

	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_NE(NULL, strstr(said, "(main): a signal handler overran its stack in ")) {
		TH_LOG("%x %s", status, said);
	}
	status = child(handler_with_large_frame, NULL);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_NE(NULL, strstr(said, "a signal handler overran its stack in foreign_low: ")) {
		TH_LOG("%x %s", status, said);
	}
}

/* ---- handlers that come while it runs ------------------------------------ */

#define NEIGHBOURS 60

static int over, overwritten;
static volatile uintptr_t stack_hi;

/* Packed stacks, of which each word that is used is known. */
static void neighbour(void *arg)
{
	volatile unsigned char mine[200];

	for (unsigned int i = 0; i < sizeof(mine); i++)
		mine[i] = i;
	while (!over)
		green_yield();
	for (unsigned int i = 0; i < sizeof(mine); i++)
		overwritten += mine[i] != (unsigned char)i;
}

enum how { BY_SIGACTION, BY_SIGNAL, BY_SYSCALL, HOWS };

/* As a library might that does not know of the C library's name. */
static void by_syscall(int sig, void (*handler)(int))
{
	extern int __sigaction(int sig, const struct sigaction *new, struct sigaction *old);
	struct sigaction sa = { .sa_handler = handler };

	__sigaction(sig, &sa, NULL);
}

static void install(enum how how, void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler };

	if (how == BY_SIGACTION)
		sigaction(SIGUSR1, &sa, NULL);
	else if (how == BY_SIGNAL)
		signal(SIGUSR1, handler);
	else
		by_syscall(SIGUSR1, handler);
}

static volatile pid_t victim;

static void spins(void *arg)
{
	struct green_stack_info info;
	int before = handled;

	green_stack_info(green_self(), &info);
	stack_hi = info.hi;
	victim = syscall(SYS_gettid);
	while (handled == before)
		;
}

static void *kills(void *arg)
{
	while (!victim)
		usleep(1000);
	syscall(SYS_tgkill, getpid(), victim, SIGUSR1);
	return NULL;
}

/* Another OS thread sends it, in the middle of what runs on a stack of 1 KiB. */
static int among_packed(void *arg)
{
	static const struct green_attr small = { .stack_size = 1024 };
	enum how how = *(enum how *)arg;
	green_t *t[NEIGHBOURS + 1];
	pthread_t other;

	over = overwritten = 0;
	victim = 0;
	install(how, says_where);
	if (how == BY_SYSCALL)
		for (int i = 0; i < 150; i++)
			green_sleep_ns(10000000);
	for (int i = 0; i < NEIGHBOURS; i++)
		t[i] = green_go_opt(&small, neighbour, NULL);
	green_yield();
	t[NEIGHBOURS] = green_go_opt(&small, spins, NULL);
	pthread_create(&other, NULL, kills, NULL);
	green_join(t[NEIGHBOURS]);
	pthread_join(other, NULL);
	over = 1;
	for (int i = 0; i < NEIGHBOURS; i++)
		green_join(t[i]);
	return overwritten;
}

TEST(handlers_that_come_later)
{
	for (enum how how = 0; how < HOWS; how++) {
		struct sigaction sa;

		EXPECT_EQ(0, green_run(&alone, among_packed, &how));
		/* Not near any stack of threads. */
		EXPECT_LT(1 << 20, labs((long)(handled_at - stack_hi))) {
			TH_LOG("installed by way %d", how);
		}
		EXPECT_EQ(0, sigaction(SIGUSR1, NULL, &sa));
		EXPECT_EQ((uintptr_t)says_where, (uintptr_t)sa.sa_handler);
		EXPECT_EQ(0, sa.sa_flags & SA_ONSTACK);
		EXPECT_EQ(how == BY_SIGNAL, !!(sa.sa_flags & SA_RESTART));
		signal(SIGUSR1, SIG_DFL);
	}
}

static struct sigaction seen, replaced;

static int looks_and_replaces(void *arg)
{
	struct sigaction own = { .sa_handler = says_where, .sa_flags = SA_NODEFER | SA_ONSTACK };

	sigaction(SIGUSR1, NULL, &seen);
	sigaction(SIGUSR1, &own, &replaced);
	return 0;
}

TEST(flags_are_the_programs)
{
	struct sigaction first = { .sa_handler = takes_much, .sa_flags = SA_NODEFER }, sa;

	sigaction(SIGUSR1, &first, NULL);
	EXPECT_EQ(0, green_run(&alone, looks_and_replaces, NULL));
	EXPECT_EQ(0, (seen.sa_flags | replaced.sa_flags) & SA_ONSTACK);
	EXPECT_EQ((uintptr_t)takes_much, (uintptr_t)replaced.sa_handler);
	sigaction(SIGUSR1, NULL, &sa);
	EXPECT_EQ((uintptr_t)says_where, (uintptr_t)sa.sa_handler);
	EXPECT_EQ(SA_NODEFER | SA_ONSTACK, sa.sa_flags & (SA_NODEFER | SA_ONSTACK));
	signal(SIGUSR1, SIG_DFL);
}

/* ---- faults ---------------------------------------------------------------- */

static volatile char *page;

static void opens_page(int sig, siginfo_t *si, void *context)
{
	handled++;
	mprotect((char *)page, 4096, PROT_READ | PROT_WRITE);
}

static int handles_faults(void *arg)
{
	struct sigaction own = { .sa_sigaction = opens_page, .sa_flags = SA_SIGINFO };

	if (arg)
		sigaction(SIGSEGV, &own, NULL);
	for (int i = 0; i < 3; i++) {
		mprotect((char *)page, 4096, PROT_NONE);
		page[i] = 1;
	}
	return 0;
}

static int handles_faults_inside(void)
{
	int ret = green_run(&alone, handles_faults, "");

	return ret ? ret : handled != 3;
}

static void overruns(void *arg)
{
	foreign_low(300 << 10);
}

static int faults_and_overruns(void *arg)
{
	handles_faults(arg);
	green_join(green_go(overruns, NULL));
	return 9;
}

static int overrun_with_handler(void *arg)
{
	return green_run(&alone, faults_and_overruns, "");
}

TEST(a_fault_handler_of_the_program)
{
	struct sigaction own = { .sa_sigaction = opens_page, .sa_flags = SA_SIGINFO }, sa;

	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Before, and inside. */
	sigaction(SIGSEGV, &own, NULL);
	handled = 0;
	EXPECT_EQ(0, green_run(&alone, handles_faults, NULL));
	EXPECT_EQ(3, handled);
	sigaction(SIGSEGV, NULL, &sa);
	EXPECT_EQ((uintptr_t)opens_page, (uintptr_t)sa.sa_sigaction);
	EXPECT_EQ(SA_SIGINFO, sa.sa_flags & (SA_SIGINFO | SA_ONSTACK));
	signal(SIGSEGV, SIG_DFL);
	handled = 0;
	EXPECT_EQ(0, handles_faults_inside());
	sigaction(SIGSEGV, NULL, &sa);
	EXPECT_EQ((uintptr_t)opens_page, (uintptr_t)sa.sa_sigaction);
	signal(SIGSEGV, SIG_DFL);
	/* It does not hide what is ours. */
	EXPECT_TRUE(WIFSIGNALED(child(overrun_with_handler, NULL)));
	EXPECT_NE(NULL, strstr(said, "it overran its stack in foreign_low: "));
}

/* ---- alternate stacks of the program -------------------------------------- */

static void on_stack(void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

	sigaction(SIGUSR1, &sa, NULL);
}

static int handled_on(const stack_t *s)
{
	return handled_at - (uintptr_t)s->ss_sp < s->ss_size;
}

static stack_t with_bytes(size_t n)
{
	return (stack_t){ .ss_sp = malloc(n), .ss_size = n };
}

static int changes_stack(void *arg)
{
	return sigaltstack(arg, NULL) || raise(SIGUSR1);
}

static int same(const stack_t *a, const stack_t *b)
{
	return a->ss_sp == b->ss_sp && a->ss_size == b->ss_size && a->ss_flags == b->ss_flags;
}

TEST(a_larger_stack_stays)
{
	stack_t own = with_bytes(1 << 20), now;

	sigaltstack(&own, NULL);
	on_stack(says_where);
	EXPECT_EQ(0, green_run(&alone, raises, NULL));
	EXPECT_TRUE(handled_on(&own));
	sigaltstack(NULL, &now);
	EXPECT_TRUE(same(&own, &now));
}

TEST(a_smaller_stack_comes_back)
{
	stack_t own = with_bytes(32 << 10), now;

	sigaltstack(&own, NULL);
	on_stack(takes_much);
	EXPECT_EQ(0, green_run(&alone, raises, NULL));
	EXPECT_FALSE(handled_on(&own));
	sigaltstack(NULL, &now);
	EXPECT_TRUE(same(&own, &now));
}

TEST(no_stack_comes_back)
{
	stack_t now;

	on_stack(takes_much);
	EXPECT_EQ(0, green_run(&alone, raises, NULL));
	sigaltstack(NULL, &now);
	EXPECT_EQ(SS_DISABLE, now.ss_flags);
}

TEST(a_stack_that_is_set_inside_stays)
{
	stack_t own = with_bytes(64 << 10), now;

	on_stack(says_where);
	EXPECT_EQ(0, green_run(&alone, changes_stack, &own));
	EXPECT_TRUE(handled_on(&own));
	sigaltstack(NULL, &now);
	EXPECT_TRUE(same(&own, &now));
}

/* ---- workers ----------------------------------------------------------------- */

static pthread_t seen_by[2];
static volatile int nr_seen;

static void raises_there(void *arg)
{
	int i = (int)(intptr_t)arg;

	seen_by[i] = pthread_self();
	raise(SIGUSR1);
	__atomic_fetch_add(&nr_seen, 1, __ATOMIC_SEQ_CST);
	while (nr_seen < 2)
		;
}

static int on_both(void *arg)
{
	green_t *t = green_go(raises_there, (void *)1);

	raises_there((void *)0);
	return green_join(t);
}

/* The other worker has as much as the program gave the first. */
TEST(each_worker_has_one)
{
	struct green_options opt = { .workers = 2 };
	stack_t own = with_bytes(2 << 20);

	sigaltstack(&own, NULL);
	on_stack(takes_much);
	handled = 0;
	EXPECT_EQ(0, green_run(&opt, on_both, NULL));
	EXPECT_EQ(2, handled);
	EXPECT_NE(seen_by[0], seen_by[1]);
}

TEST_HARNESS_MAIN
