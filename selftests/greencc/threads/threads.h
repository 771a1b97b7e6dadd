/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef GREENCC_TEST_THREADS_H
#define GREENCC_TEST_THREADS_H

void begin(void);		/* before the first hop() */
void hop(void);			/* to the other OS thread and back */
void *thread_base(void);	/* %fs:0 as it is now */

/* The address of a thread-local of another file; with a lie about what it reads. */
long *slot_const(void) __attribute__((const));
long *slot_pure(int unused) __attribute__((pure));
extern __thread long foreign_slot;

#endif
