// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* For leave.c: jumps between frames that gcc built. Fortified, for __longjmp_chk(). */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stddef.h>
#include <ucontext.h>

#include "leave.h"

static jmp_buf env;

int foreign_call(void (*fn)(void *), void *arg)
{
	if (_setjmp(env))
		return 1;
	fn(arg);
	return 0;
}

void foreign_longjmp(void)
{
	longjmp(env, 1);
}

/* A way that libgreen does not see. */
static ucontext_t context;
static volatile int came_back;

int foreign_context(void (*fn)(void *), void *arg)
{
	came_back = 0;
	getcontext(&context);
	if (came_back)
		return 1;
	fn(arg);
	return 0;
}

void foreign_setcontext(void)
{
	came_back = 1;
	setcontext(&context);
}

static void (*co_fn)(void *);
static void *co_arg;

/* It may wait, and others begin meanwhile. */
static void co_start(void)
{
	void (*fn)(void *) = co_fn;
	void *arg = co_arg;

	fn(arg);
}

void on_coroutine(void *stack, unsigned long size, void (*fn)(void *), void *arg)
{
	ucontext_t back, co;

	co_fn = fn;
	co_arg = arg;
	getcontext(&co);
	co.uc_stack.ss_sp = stack;
	co.uc_stack.ss_size = size;
	co.uc_link = &back;
	makecontext(&co, co_start, 0);
	swapcontext(&back, &co);
}
