/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * SIGPIPE. To a write that finds its peer gone the kernel sends it, and for one of
 * io_uring's that is a worker, in the middle of whatever it does. The call says
 * -EPIPE, so the signal is dropped. What the program causes itself, by write(2) say,
 * takes its course. Sockets need none of this: for them there is MSG_NOSIGNAL.
 *
 * Neither to block nor to ignore it would do: programs that are executed would
 * inherit that.
 */
#define _GNU_SOURCE
#include "base/runtime.h"
#include "base/worker.h"
#include "signal/action.h"
#include "signal/sigpipe.h"

#include <errno.h>
#include <ucontext.h>
#include <unistd.h>

/* The program's, from before green_run() or since: handler.c. */
GREEN_PER_RUN static struct sigaction old_action;

/*
 * Has the code that was interrupted just made a system call that said EPIPE? The
 * ring's own does not, and what it does later comes at any other moment.
 */
static bool said_epipe(const ucontext_t *context)
{
	const greg_t *regs = context->uc_mcontext.gregs;
	const unsigned char *pc = (const unsigned char *)regs[REG_RIP];

	return regs[REG_RAX] == -EPIPE && pc[-2] == 0x0f && pc[-1] == 0x05;
}

static bool is_the_rings(const siginfo_t *si, const ucontext_t *context)
{
	return green_worker && si->si_code == SI_USER && si->si_pid == getpid() &&
	       !said_epipe(context);
}

static void on_sigpipe(int sig, siginfo_t *si, void *context)
{
	if (is_the_rings(si, context))
		return;
	if (old_action.sa_flags & SA_SIGINFO) {
		old_action.sa_sigaction(sig, si, context);
	} else if (old_action.sa_handler == SIG_DFL) {
		green_sigaction(SIGPIPE, &old_action, NULL);
		raise(SIGPIPE);
	} else if (old_action.sa_handler != SIG_IGN) {
		old_action.sa_handler(sig);
	}
}

/* What is ignored is so for the kernel, too: programs that are executed inherit that. */
static int install(void)
{
	struct sigaction sa = old_action;

	if (old_action.sa_handler != SIG_IGN) {
		sa.sa_sigaction = on_sigpipe;
		sa.sa_flags |= SA_SIGINFO | SA_ONSTACK;
	}
	if (old_action.sa_handler == SIG_DFL)
		sa.sa_flags |= SA_RESTART;
	return green_sigaction(SIGPIPE, &sa, NULL);
}

int green_sigpipe_action(const struct sigaction *new, struct sigaction *old)
{
	struct sigaction was = old_action;

	if (new) {
		old_action = *new;
		if (install()) {
			old_action = was;
			return -1;
		}
	}
	if (old)
		*old = was;
	return 0;
}

void green_sigpipe_init(void)
{
	green_sigaction(SIGPIPE, NULL, &old_action);
	install();
}

/* One that the program has installed past us stays. */
void green_sigpipe_exit(void)
{
	struct sigaction sa;

	if (!green_sigaction(SIGPIPE, NULL, &sa) && sa.sa_sigaction == on_sigpipe)
		green_sigaction(SIGPIPE, &old_action, NULL);
}
