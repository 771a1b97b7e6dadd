/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A thread that asks for its stack to be moved. */
#ifndef MOVED_H
#define MOVED_H

#include <errno.h>
#include <green.h>
#include <stdio.h>

#include "alone.h"

static unsigned long moved, refused;

static void __attribute__((noinline)) move_me(size_t size)
{
	struct green_nomove why = { 0 };
	int err = green_stack_move(green_self(), size, &why);

	if (!err)
		moved++;
	if (err != -EBUSY)
		return;
	refused++;
	fprintf(stderr, "# refused: %s %s\n", green_nomove_name(why.reason), why.function);
}

struct go {
	void (*fn)(void *);
	void *arg;
};

static int go_and_join(void *arg)
{
	struct go *g = arg;

	return green_join(green_go(g->fn, g->arg));
}

/* fn(arg) in a thread that is not the first. */
static int run_thread(void (*fn)(void *), void *arg)
{
	struct go g = { fn, arg };

	moved = refused = 0;
	return green_run(&alone, go_and_join, &g);
}

#endif
