// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Ways to pass and return: registers, stack, by value, by hidden pointer. */
#include "../runtime.h"

struct big {
	long v[6];
	int *p;
};

static NOINLINE struct big make_big(int *p, long n)
{
	struct big b;

	green_test_move();
	for (int i = 0; i < 6; i++) {
		b.v[i] = n + i;
		green_test_move();
	}
	b.p = p;
	green_test_move();
	return b;
}

static NOINLINE long sret(void)
{
	int x = 9;
	struct big b = make_big(&x, 100);

	green_test_move();
	*b.p += 1;
	return b.v[5] + x;
}

static NOINLINE long take_big(struct big b, int k)
{
	green_test_move();
	b.v[0] += k;
	*b.p += 3;
	green_test_move();
	return b.v[0] + b.v[5] + *b.p;
}

static NOINLINE long byval(void)
{
	int x = 1;
	struct big b = { { 1, 2, 3, 4, 5, 6 }, &x };
	long r = take_big(b, 10);

	green_test_move();
	return r * 100 + b.v[0] + x;
}

static NOINLINE long nine(int *a, int *b, int *c, int *d, int *e, int *f, int *g,
			  int *h, int *i)
{
	green_test_move();
	*i += *a + *g;
	green_test_move();
	return *a + 2 * *b + 3 * *c + 4 * *d + 5 * *e + 6 * *f + 7 * *g + 8 * *h + 9 * *i;
}

static NOINLINE long nine_args(void)
{
	int v[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	long r = nine(v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6, v + 7, v + 8);

	green_test_move();
	return r + v[8];
}

struct two {
	int *p;
	long n;
};

static NOINLINE struct two make_two(int *p, long n)
{
	green_test_move();
	return (struct two){ p + 1, n + *p };
}

static NOINLINE long use_two(struct two t)
{
	green_test_move();
	return *t.p + t.n;
}

static NOINLINE long pairs(void)
{
	int v[3] = { 10, 20, 30 };
	struct two t = make_two(v, 5);

	green_test_move();
	return use_two(t) * 1000 + use_two(make_two(t.p, t.n));
}

typedef long (*op)(int *, long);

static NOINLINE long op_add(int *p, long n)
{
	green_test_move();
	return *p + n;
}

static NOINLINE long op_mul(int *p, long n)
{
	green_test_move();
	return *p * n;
}

/* The address goes through a pointer that could be anybody's. */
static NOINLINE long apply(op f, int *p __attribute__((noescape)), long n)
{
	long r = f == op_add ? op_add(p, n) : op_mul(p, n);

	green_test_move();
	return r;
}

static NOINLINE long by_kind(void)
{
	int x = 6;

	return apply(op_add, &x, 7) * 100 + apply(op_mul, &x, 7);
}

static NOINLINE double floats(double *a, double b, float c)
{
	green_test_move();
	*a += b;
	green_test_move();
	return *a * c;
}

static NOINLINE long fp(void)
{
	double a = 1.5;
	double r = floats(&a, 2.25, 4.0f);

	green_test_move();
	return (long)(r * 100 + a);
}

static NOINLINE _Bool is_odd(const int *p)
{
	green_test_move();
	return *p & 1;
}

static NOINLINE signed char narrow(const int *p, unsigned char k)
{
	green_test_move();
	return (signed char)(*p + k);
}

static NOINLINE long small_results(void)
{
	int x = 255;

	return is_odd(&x) * 1000 + narrow(&x, 130);
}

static NOINLINE long vla_free_tail(int *p, int n)
{
	green_test_move();
	if (n == 0)
		return *p;
	*p += n;
	return vla_free_tail(p, n - 1);
}

static NOINLINE long tail(void)
{
	int x = 0;

	return vla_free_tail(&x, 20);
}

static NOINLINE long add(int *p, int n)
{
	green_test_move();
	*p += n;
	green_test_move();
	return *p;
}

/* A jump to add(), and to itself by way of another: the frames are gone. */
NOINLINE long jump_to_add(int *p, int n)
{
	if (n & 1) {
		green_test_move();
		*p += 1;
	}
	return add(p, n);
}

NOINLINE long jump_down(const struct two *t, int *p, int n);
NOINLINE long jump_up(const struct two *t, int *p, int n);

NOINLINE long jump_up(const struct two *t, int *p, int n)
{
	green_test_move();
	*p += *t->p;
	return jump_down(t, p, n - 1);
}

NOINLINE long jump_down(const struct two *t, int *p, int n)
{
	if (n <= 0)
		return jump_to_add(p, n + 7);
	return jump_up(t, p, n - 1);
}

static NOINLINE long jumps(void)
{
	int x = 1, y = 5;
	struct two t = { &y, 0 };
	long sum = 0;

	for (int i = 0; i < 5; i++)
		sum = 7 * sum + jump_to_add(&x, i);
	sum += jump_down(&t, &x, 9);
	green_test_move();
	return 100 * sum + x;
}

int test_main(void)
{
	green_test_out("jumps", jumps());
	green_test_out("sret", sret());
	green_test_out("byval", byval());
	green_test_out("nine_args", nine_args());
	green_test_out("pairs", pairs());
	green_test_out("by_kind", by_kind());
	green_test_out("fp", fp());
	green_test_out("small_results", small_results());
	green_test_out("tail", tail());
	return 0;
}
