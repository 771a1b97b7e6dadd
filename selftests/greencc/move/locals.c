// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Locals in memory: structs, arrays, alignment, copies. */
#include "../runtime.h"

#include <string.h>

struct node {
	struct node *self;
	int *value;
	int inner;
};

static NOINLINE void touch(struct node *n)
{
	green_test_move();
	n->inner += *n->value;
	green_test_move();
	n->self->inner++;
}

static NOINLINE long self_pointing(void)
{
	int v = 5;
	struct node n = { &n, &v, 1 };

	green_test_move();
	touch(&n);
	green_test_move();
	v = 7;
	touch(n.self);
	return n.inner * 100 + *n.self->value + (n.self == &n);
}

static NOINLINE int sum_down(int *up, int n)
{
	int y = n + *up;

	green_test_move();
	if (n == 0)
		return y;
	y += sum_down(&y, n - 1);
	green_test_move();
	return y + *up;
}

static NOINLINE long recursion(void)
{
	int start = 3;

	return sum_down(&start, 12);
}

static NOINLINE long walk_array(void)
{
	long a[20], sum = 0;

	for (long *p = a; p != a + 20; p++) {
		green_test_move();
		*p = p - a;
	}
	for (long *p = a, *end = a + 20; p < end; p += 3) {
		sum += *p * 10;
		green_test_move();
	}
	for (int i = 0; i < 20; i++) {
		green_test_move();
		sum += a[i];
	}
	return sum;
}

static NOINLINE long pointer_array(void)
{
	int v[6] = { 1, 2, 3, 4, 5, 6 };
	int *p[6];
	long sum = 0;

	for (int i = 0; i < 6; i++)
		p[i] = &v[5 - i];
	green_test_move();
	for (int i = 0; i < 6; i++) {
		*p[i] += i;
		green_test_move();
		sum = sum * 10 + *p[i];
	}
	return sum;
}

static NOINLINE long aligned(void)
{
	_Alignas(64) char buf[128];
	_Alignas(32) int *p[4];
	int x = 4;

	memset(buf, 1, sizeof(buf));
	for (int i = 0; i < 4; i++)
		p[i] = &x;
	green_test_move();
	*p[3] += buf[127];
	green_test_move();
	return x + *p[2] + (long)((uintptr_t)buf % 64);
}

struct pair {
	char *text;
	struct pair *other;
	long n;
};

static NOINLINE void copy_pair(struct pair *to, const struct pair *from)
{
	green_test_move();
	*to = *from;
	green_test_move();
	to->n++;
}

static NOINLINE long copies(void)
{
	char text[16] = "copies";
	struct pair a = { text, NULL, 1 }, b, c;

	copy_pair(&b, &a);
	a.other = &b;
	green_test_move();
	c = a;
	green_test_move();
	memcpy(&b, &c, sizeof(b));
	green_test_move();
	return b.n + c.other->n + b.text[3] + (b.other == &b) + (long)strlen(a.text);
}

static NOINLINE long strings(void)
{
	char buf[32], *out = buf;
	const char *in = "a stack that walks";
	long sum = 0;

	while (*in) {
		*out++ = *in++ ^ 1;
		green_test_move();
	}
	*out = 0;
	for (char *p = buf; *p; p++) {
		green_test_move();
		sum = sum * 31 + *p;
	}
	return sum + (out - buf);
}

/* A struct with a hole, an int pair and pointers at both ends. */
struct mixed {
	int *first;
	int a, b;
	char c;
	int *last;
	double d;
};

static NOINLINE long mixed(void)
{
	int x = 1, y = 2;
	struct mixed m[3];

	for (int i = 0; i < 3; i++)
		m[i] = (struct mixed){ &x, i, i + 1, 'c', &y, i * 0.5 };
	green_test_move();
	for (int i = 0; i < 3; i++) {
		*m[i].first += m[i].a;
		green_test_move();
		*m[i].last += m[i].b;
	}
	return x * 1000 + y * 10 + (long)(m[2].d * 2);
}

int test_main(void)
{
	green_test_out("self_pointing", self_pointing());
	green_test_out("recursion", recursion());
	green_test_out("walk_array", walk_array());
	green_test_out("pointer_array", pointer_array());
	green_test_out("aligned", aligned());
	green_test_out("copies", copies());
	green_test_out("strings", strings());
	green_test_out("mixed", mixed());
	return 0;
}
