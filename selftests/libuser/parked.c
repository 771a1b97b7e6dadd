// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* A program for unwind.sh: a call chain of three that parks. */
#include <green.h>

#include "alone.h"

#define NOINLINE __attribute__((noinline, noclone))

static volatile int sink;

static void NOINLINE third(void)
{
	green_yield();
	sink++;
}

static void NOINLINE second(void)
{
	third();
	sink++;
}

static void NOINLINE first(void *arg)
{
	second();
	sink++;
}

static int start(void *arg)
{
	return green_join(green_go(first, arg));
}

int main(void)
{
	/* Not a tail call: main is to be seen. */
	sink = green_run(&alone, start, 0);
	return sink;
}
