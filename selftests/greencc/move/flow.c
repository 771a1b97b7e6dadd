// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Pointers through phi, select, computed goto, switch, cleanup and asm. */
#include "../runtime.h"

static NOINLINE long choose(int n)
{
	int a = 1, b = 2, c = 3;
	int *p = n & 1 ? &a : &b;

	green_test_move();
	if (n & 2)
		p = &c;
	*p += n;
	green_test_move();
	return a * 100 + b * 10 + c + *p;
}

static NOINLINE long phis(void)
{
	long r = 0;

	for (int i = 0; i < 8; i++)
		r = r * 7 + choose(i);
	return r;
}

static NOINLINE long computed(const char *program)
{
	static const void *const ops[] = { &&push, &&add, &&end };
	long stack[16], *sp = stack;

	goto *ops[*program++ - '0'];
push:
	*sp++ = *program++;
	green_test_move();
	goto *ops[*program++ - '0'];
add:
	sp[-2] += sp[-1];
	sp--;
	green_test_move();
	goto *ops[*program++ - '0'];
end:
	green_test_move();
	return sp[-1] + (sp - stack);
}

static NOINLINE void closed(int **p)
{
	green_test_move();
	**p += 100;
}

static NOINLINE long cleanup(void)
{
	int x = 1;

	for (int i = 0; i < 3; i++) {
		int *p __attribute__((cleanup(closed))) = &x;

		green_test_move();
		*p += i;
	}
	green_test_move();
	return x;
}

static NOINLINE long assembly(void)
{
	long x = 5, y = 6, *p = &x;

	green_test_move();
	__asm__("addq %1, %0" : "+m"(x) : "r"(y));
	green_test_move();
	__asm__ volatile("incq %0" : "+m"(*p));
	green_test_move();
	return x * 10 + *p;
}

/* Two pointers change places each time around. */
static NOINLINE long rotate(int n)
{
	int a = 1, b = 10, *p = &a, *q = &b;

	while (n--) {
		int *t = p;

		p = q;
		q = t;
		green_test_move();
		*p += *q;
	}
	return a * 1000 + b + (p == &a);
}

static NOINLINE long kinds(int n)
{
	int a[4] = { 0 }, *p = a;

	for (int i = 0; i < n; i++) {
		switch (i % 5) {
		case 0:
			p = a;
			break;
		case 1:
			p++;
			break;
		case 2:
			green_test_move();
			p = &a[3];
			break;
		default:
			p--;
			break;
		}
		green_test_move();
		*p += i;
	}
	return a[0] + 10 * a[1] + 100 * a[2] + 1000 * a[3];
}

static NOINLINE long differences(void)
{
	char buf[40];
	char *p = buf + 3, *q = buf + 30;
	long d = q - p;

	green_test_move();
	p += d;
	green_test_move();
	return d * 10 + (p == q) + (p > buf) + ((uintptr_t)&buf[1] - (uintptr_t)buf);
}

int test_main(void)
{
	green_test_out("phis", phis());
	green_test_out("computed", computed("0a0b10c12"));
	green_test_out("cleanup", cleanup());
	green_test_out("assembly", assembly());
	green_test_out("rotate", rotate(9));
	green_test_out("kinds", kinds(23));
	green_test_out("differences", differences());
	return 0;
}
