// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* One body, several names: aliases, weak ones, ifuncs, clones, names that need quotes. */
#include "../runtime.h"

static NOINLINE long add(int *p, long n)
{
	green_test_move();
	*p += 1;
	green_test_move();
	return *p + n;
}

/* Of a static function and of one that others see. */
long add_too(int *p, long n) __attribute__((alias("add")));
long add_weak(int *p, long n) __attribute__((weak, alias("add_too")));
long mul(int *p, long n);
NOINLINE long mul(int *p, long n)
{
	green_test_move();
	return *p * n;
}
long mul_hidden(int *p, long n) __attribute__((alias("mul"), visibility("hidden")));
#pragma weak mul_weak = mul
long mul_weak(int *p, long n);
__asm__(".symver mul, mul_versioned@GREEN_1");

long nowhere(int *p, long n);
#pragma weak nowhere

static int words = 7;
extern int words_too __attribute__((alias("words")));

static NOINLINE long aliases(void)
{
	int x = 5;
	long r = add(&x, 1) + 10 * add_too(&x, 1) + 100 * add_weak(&x, 1);

	r += 1000 * mul_hidden(&x, 3) + 10000 * mul_weak(&x, 2);
	green_test_move();
	return r * 100 + x + words_too + (nowhere ? nowhere(&x, 1) : 2);
}

/* The resolver runs before there is a thread, in a static program. */
static NOINLINE long sub(int *p, long n)
{
	green_test_move();
	return *p - n;
}

static NOINLINE int choose(int n)
{
	return n * words;
}

typedef long (*op)(int *p, long n);

static op resolve(void)
{
	volatile int v[100];

	v[99] = choose(3);
	return v[99] == 21 ? sub : mul;
}

long chosen(int *p __attribute__((noescape)), long n) __attribute__((ifunc("resolve")));

static NOINLINE long ifuncs(void)
{
	int x = 50;
	long r = chosen(&x, 8);

	green_test_move();
	return r * 100 + x;
}

__attribute__((target_clones("avx2", "default"))) long total(const int *p __attribute__((noescape)), int n);
__attribute__((target_clones("avx2", "default"))) long total(const int *p __attribute__((noescape)), int n)
{
	long sum = 0;

	for (int i = 0; i < n; i++)
		sum += p[i];
	green_test_move();
	return sum + *p;
}

static NOINLINE long clones(void)
{
	int v[20];

	for (int i = 0; i < 20; i++)
		v[i] = i + 1;
	return total(v, 20) + v[19];
}

__attribute__((vectorcall, noinline)) static long quoted(int *p, double f)
{
	green_test_move();
	return *p * (long)f;
}
__attribute__((vectorcall, noinline)) long quoted_too(int *p, double f);
__attribute__((vectorcall, noinline)) long quoted_too(int *p, double f)
{
	return quoted(p, f + 1);
}
long odd_name(int *p) __asm__("odd name");
NOINLINE long odd_name(int *p)
{
	green_test_move();
	return *p + 1;
}

static NOINLINE long names(void)
{
	int x = 6;
	long r = quoted_too(&x, 4.5);

	green_test_move();
	return r * 100 + odd_name(&x);
}

/* A function of assembly alone, in the same file. */
__asm__(".type plain_sum,@function\nplain_sum: leaq (%rdi,%rsi), %rax\nret\n"
	".size plain_sum,.-plain_sum");
long plain_sum(long a, long b);

int test_main(void)
{
	green_test_out("aliases", aliases());
	green_test_out("ifuncs", ifuncs());
	green_test_out("clones", clones());
	green_test_out("names", names());
	green_test_out("assembly", plain_sum(30, 12));
	return 0;
}
