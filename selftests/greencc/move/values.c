// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Values of two words, as interpreters have: they live over calls in registers. */
#include "../runtime.h"
#include <stdint.h>

/* A number or an address, and what it is. */
struct value {
	union {
		int i;
		double d;
		void *p;
	} u;
	int64_t tag;
};

enum { INT, DOUBLE, POINTER };

/* A pointer, and how much is there. */
struct slice {
	long *at;
	long n;
};

static struct value of_int(int i)
{
	return (struct value){ .u.i = i, .tag = INT };
}

static struct value of_double(double d)
{
	return (struct value){ .u.d = d, .tag = DOUBLE };
}

static long number(struct value v)
{
	return v.tag == INT ? v.u.i : v.tag == DOUBLE ? (long)v.u.d : 0;
}

static NOINLINE struct value add(struct value a, struct value b)
{
	green_test_move();
	if (a.tag == INT && b.tag == INT)
		return of_int(a.u.i + b.u.i);
	green_test_move();
	return of_double((double)number(a) + (double)number(b));
}

static NOINLINE struct value next(struct value a)
{
	green_test_move();
	return add(a, of_int(1));
}

/* Each lives over the calls that make the others. */
static NOINLINE long numbers(int n)
{
	struct value a = next(of_int(n)), b = next(of_double(n)), c = next(a);

	green_test_move();
	struct value d = n > 3 ? a : b;
	green_test_move();
	struct value e = add(a, c), f = add(b, d);
	green_test_move();
	return number(a) + 10 * number(b) + 100 * number(c) + 1000 * number(e) +
	       10000 * number(f) + 100000 * number(d);
}

static NOINLINE struct slice rest(struct slice s)
{
	green_test_move();
	return (struct slice){ s.at + 1, s.n - 1 };
}

static NOINLINE struct slice longer(struct slice a, struct slice b)
{
	struct slice r = a.n > b.n ? rest(a) : rest(b);

	green_test_move();
	return r;
}

static NOINLINE long slices(int n)
{
	long v[6] = { 1, 2, 3, 4, 5, n }, w[4] = { 10, 20, 30, n };
	struct slice a = { v, 6 }, b = { w, 4 };
	long sum = 0;

	while (a.n && b.n) {
		struct slice c = longer(a, b);

		green_test_move();
		sum = sum * 3 + *c.at + *a.at;
		a = n & 1 ? rest(a) : c;
		green_test_move();
		b = rest(b);
		sum += a.n + *b.at * (b.n > 0);
	}
	return sum;
}

static int kinds[2];

/* A switch of many arms, as an interpreter's, around values that live on. */
static NOINLINE struct value run(const char *code, struct value acc)
{
	struct value saved = acc;

	for (; *code; code++) {
		kinds[acc.tag == INT]++;
		switch (*code) {
		case '+':
			acc = add(acc, saved);
			break;
		case '1':
			acc = next(acc);
			break;
		case 's':
			saved = acc;
			break;
		case 'x': {
			struct value t = acc;

			acc = saved;
			saved = t;
			break;
		}
		case 'd':
			acc = add(acc, of_double(0.5));
			break;
		}
	}
	green_test_move();
	return add(acc, saved);
}

int test_main(void)
{
	green_test_out("integers", numbers(2));
	green_test_out("doubles", numbers(5));
	green_test_out("slices of the one", slices(7));
	green_test_out("slices of the other", slices(8));
	green_test_out("run", number(run("1s+x11+d+sx1+", of_int(3))));
	green_test_out("kinds", 100 * kinds[0] + kinds[1]);
	return 0;
}
