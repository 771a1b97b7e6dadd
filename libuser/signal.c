/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Signals are handled on a stack of the worker's: a green one may have no room for
 * a signal's frame, which the kernel puts there without asking, and below a packed one
 * lies another thread's. So while green_run() runs, each handler has SA_ONSTACK:
 *
 * - those that the program has installed by then get it;
 * - those that it installs later get it by sigaction() and signal(), which are defined
 *   here in front of the C library's;
 * - what comes by another way (a system call of one's own) gets it at the next look,
 *   once a second. Until then such a handler runs on the green stack.
 *
 * The program does not see the flag, and afterwards its handlers are without it. Where
 * it has an alternate stack of its own that is larger than ours, that stays.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Touched as needed, so a handler may have much; below it lies a gap. */
#define LEAST_STACK	(256UL << 10)

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)	/* clang's */
#define SANITIZED
#endif
#elif defined(__SANITIZE_THREAD__)	/* gcc's */
#define SANITIZED
#endif

#ifdef SANITIZED
/* Its sigaction() must see all; handlers that come later are found by looks. */
int green_sigaction(int sig, const struct sigaction *new, struct sigaction *old)
{
	return sigaction(sig, new, old);
}
#else
int __sigaction(int sig, const struct sigaction *new, struct sigaction *old);

int green_sigaction(int sig, const struct sigaction *new, struct sigaction *old)
{
	return __sigaction(sig, new, old);
}
#endif

/*
 * Written by whoever installs a handler, which may be another handler: no lock. Two
 * at once for the same signal leave what either would.
 */
GREEN_PER_RUN static struct {
	bool active;
	bool added[_NSIG];		/* we gave its handler SA_ONSTACK */
} flags;

static bool needs_stack(const struct sigaction *sa)
{
	return sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN &&
	       !(sa->sa_flags & SA_ONSTACK);
}

void green_signals_look(void)
{
	struct sigaction sa;
	int sig;

	for (sig = 1; sig <= SIGRTMAX; sig++) {
		if (green_is_fault(sig) || green_sigaction(sig, NULL, &sa) || !needs_stack(&sa))
			continue;
		sa.sa_flags |= SA_ONSTACK;
		if (!green_sigaction(sig, &sa, NULL))
			flags.added[sig] = true;
	}
}

void green_signals_init(void)
{
	memset(&flags, 0, sizeof(flags));
	green_signals_look();
	flags.active = true;
}

void green_signals_exit(void)
{
	struct sigaction sa;
	int sig;

	flags.active = false;
	for (sig = 1; sig <= SIGRTMAX; sig++) {
		if (!flags.added[sig] || green_sigaction(sig, NULL, &sa))
			continue;
		sa.sa_flags &= ~SA_ONSTACK;
		green_sigaction(sig, &sa, NULL);
		flags.added[sig] = false;
	}
}

#ifndef SANITIZED
static int install(int sig, const struct sigaction *new, struct sigaction *old)
{
	bool had = flags.added[sig], add = flags.active && new && needs_stack(new);
	struct sigaction sa;

	if (new) {
		sa = *new;
		if (add)
			sa.sa_flags |= SA_ONSTACK;
	}
	if (green_sigaction(sig, new ? &sa : NULL, old))
		return -1;
	if (new)
		flags.added[sig] = add;
	if (old && had)
		old->sa_flags &= ~SA_ONSTACK;
	return 0;
}

/*
 * Of the C library's name. What raises faults stays ours while green_run() runs, and so
 * does SIGPIPE; they hand on what is not ours to the program's (fault.c, sigpipe.c).
 */
__attribute__((weak)) int sigaction(int sig, const struct sigaction *new,
				    struct sigaction *old)
{
	if (sig <= 0 || sig >= _NSIG)
		return green_sigaction(sig, new, old);
	if (flags.active && green_is_fault(sig))
		return green_fault_action(sig, new, old);
	if (flags.active && sig == SIGPIPE)
		return green_sigpipe_action(new, old);
	return install(sig, new, old);
}

__attribute__((weak)) void (*signal(int sig, void (*handler)(int)))(int)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;

	sigemptyset(&sa.sa_mask);
	if (handler == SIG_ERR || sigaddset(&sa.sa_mask, sig)) {
		errno = EINVAL;
		return SIG_ERR;
	}
	return sigaction(sig, &sa, &old) ? SIG_ERR : old.sa_handler;
}
#endif

/* ---- the workers' stacks ------------------------------------------------- */

/* @least: what the program has for its own handlers. Our gap lies below. */
static int stack_new(struct green_worker *w, size_t least)
{
	size_t gap = green_rt.opt.gap, size = LEAST_STACK > least ? LEAST_STACK : least;
	char *p;

	size = (size + GREEN_PAGE - 1) & ~(GREEN_PAGE - 1);
	p = mmap(NULL, gap + size, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	/* After mlockall() it would be populated otherwise. */
	munlock(p, gap + size);
	if (mprotect(p + gap, size, PROT_READ | PROT_WRITE)) {
		munmap(p, gap + size);
		return -ENOMEM;
	}
	w->signal_stack = (stack_t){ .ss_sp = p + gap, .ss_size = size };
	return 0;
}

int green_signal_stacks_init(void)
{
	stack_t own;
	unsigned int i;
	int err = 0;

	/* Handlers may run on any worker, and have as much on each. */
	if (sigaltstack(NULL, &own) || own.ss_flags & SS_DISABLE)
		own.ss_size = 0;
	for (i = 0; i < green_rt.nr_workers && !err; i++)
		err = stack_new(&green_rt.worker[i], own.ss_size);
	if (err)
		green_signal_stacks_exit();
	return err;
}

void green_signal_stacks_exit(void)
{
	size_t gap = green_rt.opt.gap;
	unsigned int i;

	for (i = 0; i < green_rt.nr_workers; i++) {
		stack_t *s = &green_rt.worker[i].signal_stack;

		if (s->ss_sp)
			munmap((char *)s->ss_sp - gap, gap + s->ss_size);
		s->ss_sp = NULL;
	}
}

/* Called on the OS thread that is @w, as the next one. */
void green_signal_stack(struct green_worker *w)
{
	stack_t *old = &w->old_signal_stack;

	w->has_signal_stack = false;
	if (sigaltstack(NULL, old))
		return;
	if (!(old->ss_flags & SS_DISABLE) && old->ss_size >= w->signal_stack.ss_size)
		return;
	w->has_signal_stack = !sigaltstack(&w->signal_stack, NULL);
}

/* If the program has set another one meanwhile, that is its own. */
void green_signal_stack_exit(struct green_worker *w)
{
	stack_t now;

	if (w->has_signal_stack && !sigaltstack(NULL, &now) &&
	    now.ss_sp == w->signal_stack.ss_sp)
		sigaltstack(&w->old_signal_stack, NULL);
	w->has_signal_stack = false;
}

bool green_in_signal_gap(const struct green_worker *w, uintptr_t addr)
{
	uintptr_t lo = (uintptr_t)w->signal_stack.ss_sp;

	return addr < lo && addr >= lo - green_rt.opt.gap;
}
