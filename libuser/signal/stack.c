/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Stacks of the workers' signal handlers. */
#define _GNU_SOURCE
#include "base/runtime.h"
#include "base/worker.h"
#include "memory/sizes.h"
#include "signal/stack.h"

#include <errno.h>
#include <sys/mman.h>

/* Touched as needed, so a handler may have much; below it lies a gap. */
#define LEAST_STACK	(256UL << 10)

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
