// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Built by an ordinary compiler: a handler need not be mapped. */
#define _GNU_SOURCE
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "unwinder.h"

#define TRAP_FLAG	0x100
#define MOST		256

/* libgreen's own, in entry.S and around. */
extern const char green_thread_entry[], green_thread_base[];

/* The linker's. */
extern const char __executable_start[], etext[];

volatile struct unwinder unwinder;

static void *thread_end;		/* where walks of OS threads end */
static void *run_end;			/* ... of the one that called unwinder_run() */
static volatile sig_atomic_t stepping;

/* In what order the linker places them is known: entry, base, a call, its end. */
static int is_thread_base(const char *pc)
{
	return pc >= green_thread_entry - 1 && pc <= green_thread_base + 48;
}

static int ends_well(void *const *pc, int nr)
{
	return nr == MOST || (nr > 0 && (is_thread_base(pc[nr - 1]) ||
					 pc[nr - 1] == thread_end || pc[nr - 1] == run_end));
}

static void walk(void)
{
	void *pc[MOST];
	int nr = backtrace(pc, MOST);

	unwinder.walks++;
	if (ends_well(pc, nr) || __atomic_fetch_add(&unwinder.wrong, 1, __ATOMIC_RELAXED))
		return;
	unwinder.nr = nr < 64 ? nr : 64;
	memcpy((void *)unwinder.pc, pc, unwinder.nr * sizeof(pc[0]));
}

static void on_tick(int sig)
{
	(void)sig;
	walk();
}

static void on_step(int sig, siginfo_t *si, void *context)
{
	greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
	const char *pc = (const char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
	static unsigned int elsewhere;

	(void)sig;
	(void)si;
	*flags = stepping ? *flags | TRAP_FLAG : *flags & ~TRAP_FLAG;
	/* In the program, libgreen included; in libraries now and then. */
	if ((pc >= __executable_start && pc < etext) || ++elsewhere % 16 == 0)
		walk();
}

static void *probe(void *arg)
{
	void *pc[MOST];
	int nr = backtrace(pc, MOST);

	(void)arg;
	thread_end = pc[nr - 1];
	return NULL;
}

void unwinder_init(void)
{
	pthread_t t;

	/* The first call of backtrace() loads a library. */
	if (!pthread_create(&t, NULL, probe, NULL))
		pthread_join(t, NULL);
}

static void install(int sig, void *handler)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

	sa.sa_sigaction = handler;
	sigaction(sig, &sa, NULL);
}

void unwinder_stop(void)
{
	stepping = 0;
}

static int step(int (*fn)(void *), void *arg)
{
	install(SIGTRAP, on_step);
	stepping = 1;
	raise(SIGTRAP);
	return fn(arg);
}

static int sample(int (*fn)(void *), void *arg, long ns)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF };
	struct itimerspec it = { { 0, ns }, { 0, ns } };
	timer_t timer;
	int ret;

	install(SIGPROF, on_tick);
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer))
		return -1;
	timer_settime(timer, 0, &it, NULL);
	ret = fn(arg);
	timer_delete(timer);
	return ret;
}

int unwinder_run(int (*fn)(void *), void *arg, long interval_ns)
{
	void *pc[MOST];
	int nr = backtrace(pc, MOST), ret;

	memset((void *)&unwinder, 0, sizeof(unwinder));
	run_end = pc[nr - 1];
	ret = interval_ns ? sample(fn, arg, interval_ns) : step(fn, arg);
	/* Neither may be a tail call: the end of the walks lies above. */
	__asm__ volatile("" : : : "memory");
	return ret;
}
