// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* See other.h. */
#include "other.h"
#include "../runtime.h"

#include <stdarg.h>

static uintptr_t kept;

void other_keep(int *p)
{
	uintptr_t u = (uintptr_t)p;

	kept = u;
}

int *other_kept(void)
{
	return (int *)kept;
}

uintptr_t other_align(uintptr_t p, uintptr_t to)
{
	green_test_move();
	return (p + to - 1) & ~(to - 1);
}

uintptr_t other_number(const int *p)
{
	uintptr_t u = (uintptr_t)p;

	green_test_move();
	return u;
}

struct pair other_pair(const int *p, const int *q)
{
	struct pair r = { (uintptr_t)p, (uintptr_t)q };

	green_test_move();
	return r;
}

struct half other_split(const void *p)
{
	struct half r = { (uint32_t)(uintptr_t)p, (uint32_t)((uintptr_t)p >> 32) };

	green_test_move();
	return r;
}

union word other_union(union word w)
{
	union word r = w;

	green_test_move();
	return r;
}

double other_double(double d)
{
	green_test_move();
	return d;
}

/* As unsigned int, whatever it is. */
void other_copy(void *to, const void *from, unsigned int n)
{
	uint32_t *a = to;
	const uint32_t *b = from;

	for (unsigned int i = 0; i < n / 4; i++) {
		a[i] = b[i];
		green_test_move();
	}
}

uintptr_t other_vararg(int n, ...)
{
	va_list ap;
	uintptr_t u = 0;

	va_start(ap, n);
	while (n--)
		u = va_arg(ap, uintptr_t);
	va_end(ap);
	return u;
}

void other_fill(uintptr_t *word, const int *p)
{
	*word = (uintptr_t)p;
}
