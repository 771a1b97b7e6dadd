/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Faults: a report says which green thread it was and where, and a touch of the gap
 * below a stack is an overrun, which ends the process.
 */
#define _GNU_SOURCE
#include "base/fail.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "maps/symbol.h"
#include "memory/arena.h"
#include "memory/sizes.h"
#include "memory/slot.h"
#include "signal/action.h"
#include "signal/fault.h"
#include "signal/stack.h"
#include "stack/bounds.h"
#include "stack/frames.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_FRAMES 64

/* Those that an instruction raises. */
static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
#define NR_SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* The program's, which come next. */
GREEN_PER_RUN static struct sigaction old_action[NR_SIGNALS];

static unsigned int signal_index(int sig)
{
	unsigned int i;

	for (i = 0; i < NR_SIGNALS - 1 && signals[i] != sig; i++)
		;
	return i;
}

bool green_is_fault(int sig)
{
	return signals[signal_index(sig)] == sig;
}

/* sigaction() while on_fault() is what the kernel knows. */
int green_fault_action(int sig, const struct sigaction *new, struct sigaction *old)
{
	struct sigaction *own = &old_action[signal_index(sig)], was = *own;

	if (new)
		*own = *new;
	if (old)
		*old = was;
	return 0;
}

/* ---- what a fault was ---------------------------------------------------- */

/* Whose page it was, if it is one of stacks. */
static const char *place(const struct green *t, uintptr_t addr)
{
	if (addr < GREEN_PAGE)
		return "a null pointer";
	if (green_on_stack(t, addr))
		return "its own stack";
	if (green_in_arena(addr))
		return "a stack that is another's, or was left by a move";
	return "no stack";
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 1)
		n = sizeof(line) - 1;
	if (write(STDERR_FILENO, line, n) < 0)
		_exit(134);
}

static void say_frame(unsigned int nr, const void *pc)
{
	char name[160];

	green_place(pc, nr > 0, name, sizeof(name));
	say("green: #%u %s\n", nr, name);
}

/* From the registers at the fault, over segments, and over frames that are not ours. */
static void backtrace(const struct green *t, const greg_t *regs)
{
	struct green_frame f = {
		.ret = (const void *)regs[REG_RIP], .rbp = regs[REG_RBP],
	};
	unsigned int i;

	for (i = 0; i < MAX_FRAMES && f.ret != green_thread_base; i++) {
		if (!green_is_join(f.ret))
			say_frame(i, f.ret);
		if (!green_frame_next(&f) &&
		    !(green_frame_at(t, f.ret, f.rbp, &f) && green_frame_next(&f)))
			return;
	}
	if (i == MAX_FRAMES)
		say("green: ...\n");
}

/*
 * The program's handler. Without one the fault happens again, and kills; what was sent
 * does not happen again by itself.
 */
static void pass_on(int sig, siginfo_t *si, void *context)
{
	struct sigaction *own = &old_action[signal_index(sig)], sa = *own;

	if (sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN) {
		green_sigaction(sig, &sa, NULL);
		if (si->si_code <= 0)
			raise(sig);
		return;
	}
	if (sa.sa_flags & SA_RESETHAND)
		own->sa_handler = SIG_DFL;
	if (!(sa.sa_flags & SA_NODEFER))
		sigaddset(&sa.sa_mask, sig);
	/* The mask that was goes back with the interrupted context. */
	pthread_sigmask(SIG_BLOCK, &sa.sa_mask, NULL);
	if (sa.sa_flags & SA_SIGINFO)
		sa.sa_sigaction(sig, si, context);
	else
		sa.sa_handler(sig);
}

/* Programs with handlers of their own may fault often, and know why. */
static bool is_to_be_told(int sig)
{
	static bool told;

	if (told && old_action[signal_index(sig)].sa_handler != SIG_DFL)
		return false;
	return told = true;
}

/*
 * A touch of the gap below the running thread's stack is an overrun, and so is one of
 * that below the stack of signal handlers. Anything else is
 * not ours, but only we know whose stack this is. It may be called in the middle
 * of anything: it reads, and writes to stderr.
 */
static void on_fault(int sig, siginfo_t *si, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const struct green *t = green_worker ? green_worker->current : NULL;
	uintptr_t addr = (uintptr_t)si->si_addr;
	bool raised = si->si_code > 0;
	char name[64];

	if (t && raised && sig == SIGSEGV && addr < t->lo && addr >= t->lo - t->slot->gap) {
		green_symbol((void *)regs[REG_RIP], name, sizeof(name));
		green_die(t, "it overran its stack in %s: all of the %zu bytes are used, and %zu more",
			  name, (size_t)(t->hi - t->lo), (size_t)(t->lo - addr));
	}
	if (green_worker && raised && sig == SIGSEGV && green_in_signal_gap(green_worker, addr)) {
		green_symbol((void *)regs[REG_RIP], name, sizeof(name));
		green_die(t, "a signal handler overran its stack in %s: %zu bytes are used", name,
			  green_worker->signal_stack.ss_size);
	}
	if (t && raised && green_on_stack(t, regs[REG_RSP]) && is_to_be_told(sig)) {
		say("green: thread %llu (%s): %s at %p, %s\n", (unsigned long long)t->id,
		    t->name ? t->name : "unnamed", strsignal(sig), si->si_addr,
		    place(t, addr));
		backtrace(t, regs);
	}
	pass_on(sig, si, context);
}

void green_fault_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	unsigned int i;

	sigemptyset(&sa.sa_mask);
	for (i = 0; i < NR_SIGNALS; i++)
		green_sigaction(signals[i], &sa, &old_action[i]);
}

/* What the program has put in its place by a system call of its own stays. */
void green_fault_exit(void)
{
	struct sigaction sa;
	unsigned int i;

	for (i = 0; i < NR_SIGNALS; i++)
		if (!green_sigaction(signals[i], NULL, &sa) && sa.sa_sigaction == on_fault)
			green_sigaction(signals[i], &old_action[i], NULL);
}
