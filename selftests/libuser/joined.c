// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* For unwind.sh: frames on three segments. */
#include <green.h>
#include <stdarg.h>

#include "alone.h"

#define NOINLINE __attribute__((noinline))

static int *kept;

static long NOINLINE third(long n)
{
	char room[100 << 10];

	__asm__ volatile("" : "+m"(room));
	green_yield();
	return n + room[n];
}

/* Its arguments may be many: another kind of join. */
static long NOINLINE second(int n, ...)
{
	char room[200 << 10];
	va_list ap;
	long sum = 0;
	int *outer = kept;

	kept = &n;
	__asm__ volatile("" : "+m"(room));
	va_start(ap, n);
	while (n--)
		sum += va_arg(ap, long);
	va_end(ap);
	sum += third(0) + room[7];
	kept = outer;
	return sum;
}

static void first(void *arg)
{
	int local = 1;
	char room[4000];

	__asm__ volatile("" : "+m"(room));
	kept = &local;
	second(2, 3L, 4L);
	kept = arg;
}

static int start(void *arg)
{
	return green_join(green_go(first, arg));
}

int main(void)
{
	return green_run(&alone, start, NULL);
}
