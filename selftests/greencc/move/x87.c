// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Results in x87 registers: one or two of 80 bits, used or not. */
#include "../runtime.h"

struct wrapped {
	long double v;
};

static NOINLINE long double half(long double a, int *calls)
{
	green_test_move();
	++*calls;
	return a / 2;
}

static NOINLINE long one(void)
{
	int calls = 0;
	long double r = half(84, &calls);

	green_test_move();
	return (long)r * 100 + calls;
}

/* Numbers that wait in x87 registers and in memory for others to come. */
static NOINLINE long expression(long double k)
{
	int calls = 0;
	long double a = half(k, &calls) * 3 + half(k + 2, &calls) / (1 - half(k, &calls));

	a -= k - half(half(a + k, &calls), &calls) * half(8, &calls);
	return (long)(a * 1000) + calls;
}

/* What nobody wants must not fill the registers: there are eight. */
static NOINLINE long unused(void)
{
	int calls = 0;

	for (int i = 0; i < 20; i++)
		half(i, &calls);
	return (long)(half(6, &calls) * half(10, &calls)) + calls;
}

static NOINLINE _Complex long double turn(_Complex long double z, int *calls)
{
	green_test_move();
	++*calls;
	return z * (__extension__ 1.0iL);
}

static NOINLINE long two(void)
{
	int calls = 0;
	_Complex long double z = 3;

	z += turn(5, &calls);
	for (int i = 0; i < 9; i++)
		turn(z, &calls);
	z = turn(z + 1, &calls) - turn(z, &calls) * 2;
	return (long)__real__ z * 1000 + (long)__imag__ z * 100 + calls;
}

static NOINLINE struct wrapped wrap(int *p)
{
	green_test_move();
	return (struct wrapped){ *p + 0.5L };
}

static NOINLINE long wrapped(void)
{
	int x = 4;
	struct wrapped a = wrap(&x), b;

	x = 7;
	green_test_move();
	b = wrap(&x);
	return (long)((a.v + b.v) * 100);
}

static NOINLINE long double sum(const int *p, int n)
{
	int mine = n;

	if (!n)
		return *p;
	green_test_move();
	return sum(n % 2 ? &mine : p, n - 1) + *p + mine / 4.0L;
}

static NOINLINE long deep(void)
{
	int x = 3;
	long double (*volatile fn)(const int *, int) = sum;

	return (long)(fn(&x, 200) * 4 + sum(&x, 7));
}

/* The other floating types, whose results lie elsewhere. */
static NOINLINE _Complex float both(float a, float b)
{
	green_test_move();
	return a + b * (__extension__ 1.0if);
}

static NOINLINE _Complex double pair(double a, double b)
{
	green_test_move();
	return a + b * (__extension__ 1.0i);
}

static NOINLINE long others(void)
{
	_Complex float f = both(3, 4);
	_Complex double d = pair(5, 6);

	return (long)(__real__ f + __imag__ f * 10 + __real__ d * 100 + __imag__ d * 1000);
}

int test_main(void)
{
	green_test_out("one", one());
	green_test_out("expression", expression(10));
	green_test_out("unused", unused());
	green_test_out("two", two());
	green_test_out("wrapped", wrapped());
	green_test_out("deep", deep());
	green_test_out("others", others());
	return 0;
}
