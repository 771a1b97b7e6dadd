/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Signals are handled on a stack of the worker's: a green one may have no room for
 * a signal's frame, which the kernel puts there without asking. So handlers that
 * the program has installed by the time of green_run() get SA_ONSTACK meanwhile;
 * those that it installs later must have it.
 */
#include "internal.h"

#include <stdlib.h>

#define ALT_SIZE (64UL << 10)

static sigset_t changed;

void green_signals_init(void)
{
	struct sigaction sa;
	int sig;

	sigemptyset(&changed);
	for (sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigaction(sig, NULL, &sa) || sa.sa_handler == SIG_DFL ||
		    sa.sa_handler == SIG_IGN || sa.sa_flags & SA_ONSTACK)
			continue;
		sa.sa_flags |= SA_ONSTACK;
		if (!sigaction(sig, &sa, NULL))
			sigaddset(&changed, sig);
	}
}

void green_signals_exit(void)
{
	struct sigaction sa;
	int sig;

	for (sig = 1; sig <= SIGRTMAX; sig++) {
		if (sigismember(&changed, sig) != 1 || sigaction(sig, NULL, &sa))
			continue;
		sa.sa_flags &= ~SA_ONSTACK;
		sigaction(sig, &sa, NULL);
	}
}

/* Each OS thread has its own; without memory it does without. */
void green_signal_stack(struct green_worker *w)
{
	stack_t ss = { .ss_size = ALT_SIZE };

	w->signal_stack = malloc(ALT_SIZE);
	if (!w->signal_stack)
		return;
	ss.ss_sp = w->signal_stack;
	sigaltstack(&ss, &w->old_signal_stack);
}

void green_signal_stack_exit(struct green_worker *w)
{
	if (!w->signal_stack)
		return;
	sigaltstack(&w->old_signal_stack, NULL);
	free(w->signal_stack);
	w->signal_stack = NULL;
}
