/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Ends of the road: a stack that is full. Signals are handled on an alternate
 * stack, because a green stack may have no room for a signal frame.
 */
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALT_SIZE (64UL << 10)

static struct {
	struct sigaction old;
} fault;

/* One write, from memory: this may be a signal handler. */
_Noreturn void green_die(const struct green *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n = 0;

	if (t)
		n = snprintf(line, sizeof(line), "green: thread %llu (%s): ",
			     (unsigned long long)t->id, t->name ? t->name : "unnamed");
	else
		n = snprintf(line, sizeof(line), "green: ");
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		_exit(134);
	abort();
}

/* A touch of the running thread's sealed page is an overflow; the rest is not ours. */
static void on_fault(int sig, siginfo_t *si, void *uc)
{
	const struct green *t = green_self();
	uintptr_t addr = (uintptr_t)si->si_addr;
	char name[64];

	if (t && addr < t->lo && addr >= t->lo - GREEN_PAGE) {
		green_symbol((void *)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP],
			     name, sizeof(name));
		green_die(t, "stack overflow in %s: %zu bytes are full", name,
			  (size_t)(t->hi - t->lo));
	}
	/* Whoever was here before; by default the fault happens again and kills. */
	sigaction(sig, &fault.old, NULL);
}

int green_fault_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGSEGV, &sa, &fault.old) ? -errno : 0;
}

void green_fault_exit(void)
{
	sigaction(SIGSEGV, &fault.old, NULL);
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
