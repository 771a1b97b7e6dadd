// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Two OS threads' thread-locals for one flow of control: hop() takes those of the
 * other thread, which sleeps. Not for greencc: what is found here is the truth.
 */
#define _GNU_SOURCE
#include "threads.h"

#include <asm/prctl.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static sem_t ready, never;
static void *bases[2];
static int now;

static void *other(void *unused)
{
	(void)unused;
	bases[1] = thread_base();
	errno = 222;
	sem_post(&ready);
	sem_wait(&never);
	return NULL;
}

void *thread_base(void)
{
	void *p;

	__asm__ volatile("movq %%fs:0, %0" : "=r"(p));
	return p;
}

void begin(void)
{
	pthread_t t;

	bases[0] = thread_base();
	if (sem_init(&ready, 0, 0) || sem_init(&never, 0, 0) ||
	    pthread_create(&t, NULL, other, NULL))
		exit(125);
	sem_wait(&ready);
	errno = 111;
}

void hop(void)
{
	now = !now;
	syscall(SYS_arch_prctl, ARCH_SET_FS, bases[now]);
}

__thread long foreign_slot;

long *slot_const(void)
{
	return &foreign_slot;
}

long *slot_pure(int unused)
{
	(void)unused;
	return &foreign_slot;
}
