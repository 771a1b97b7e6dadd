// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Growth by the entry checks; run with a small first stack. */
#include "../runtime.h"

#include <string.h>

static NOINLINE long deep(long n, const long *up)
{
	long here = *up + 1;

	if (n == 0)
		return here;
	return deep(n - 1, &here) + (here & 1);
}

/* Frames far larger than what is kept free below the limit. */
static NOINLINE long large(int n, const char *up)
{
	char buf[20000];

	memset(buf, n, sizeof(buf));
	buf[0] += *up;
	if (n == 0)
		return buf[0];
	return large(n - 1, buf) + buf[19999];
}

struct big {
	long v[40];
	const long *p;
};

static NOINLINE long by_value(struct big b, int n)
{
	long x = *b.p + b.v[n];

	b.p = &x;
	b.v[n % 40] = n;
	return n ? by_value(b, n - 1) + x : x;
}

static NOINLINE long many(long a, long b, long c, long d, long e, long f,
			  const long *g, const long *h, int n)
{
	long x = a + *g, y = f + *h;

	if (n == 0)
		return x + y + b + c + d + e;
	return many(b, c, d, e, f, a, &y, &x, n - 1) % 1000003;
}

int test_main(void)
{
	long zero = 0;
	char c = 1;
	struct big b = { { 1, 2, 3 }, &zero };

	green_test_out("deep", deep(20000, &zero));
	green_test_out("large", large(100, &c));
	green_test_out("by_value", by_value(b, 39));
	green_test_out("many", many(1, 2, 3, 4, 5, 6, &zero, &zero, 3000));
	return 0;
}
