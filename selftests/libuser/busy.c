// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* For unwind.sh: takes half a second of CPU time, in frames on three segments. */
#include <green.h>
#include <time.h>

#include "alone.h"

#define NOINLINE __attribute__((noinline))

static int *kept;
static volatile long sum;

static long NOINLINE spin(long n)
{
	long x = n;

	for (int i = 0; i < 10000; i++) {
		x = x * 1103515245 + 12345;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

static void NOINLINE inner(void)
{
	char room[100 << 10];

	__asm__ volatile("" : "+m"(room));
	while (clock() < CLOCKS_PER_SEC / 2)
		sum += spin(room[0]);
}

static void NOINLINE middle(void)
{
	char room[200 << 10];
	int *outer = kept;
	int local;

	kept = &local;
	__asm__ volatile("" : "+m"(room));
	inner();
	sum += room[9];
	kept = outer;
}

static void outermost(void *arg)
{
	int local = 1;

	kept = &local;
	middle();
	kept = arg;
}

static int start(void *arg)
{
	return green_join(green_go(outermost, arg));
}

int main(void)
{
	return green_run(&alone, start, NULL);
}
