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
#include "base/runtime.h"
#include "signal/action.h"
#include "signal/fault.h"
#include "signal/handler.h"
#include "signal/sigpipe.h"

#include <errno.h>
#include <string.h>

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

#ifndef GREEN_SANITIZED
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
