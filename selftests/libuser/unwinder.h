/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Walks of the stack from signal handlers, by backtrace() of glibc. Each must end where
 * a green thread begins, or where those of this OS thread or of another
 * do.
 */
#ifndef UNWINDER_H
#define UNWINDER_H

struct unwinder {
	unsigned long walks;
	unsigned long wrong;		/* ended elsewhere */
	void *pc[64];			/* of the first that was wrong */
	int nr;
};

extern volatile struct unwinder unwinder;

/* Once, before the others. */
void unwinder_init(void);
/* fn(arg), with walks every @interval_ns; 0: at each instruction. */
int unwinder_run(int (*fn)(void *), void *arg, long interval_ns);
/* No more steps. */
void unwinder_stop(void);

#endif
