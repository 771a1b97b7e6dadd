// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What must not move, each for one reason: the names in EXPECT. */
#include "../runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KEEP __attribute__((noinline, used))

int *kept;
uintptr_t kept_word;
char *kept_text;
struct holder {
	int *p;
} *heap_holder;
void unknown(void *);
void lends(void *p __attribute__((noescape)));

/* EXPECT returns_twice RETURNS_TWICE */
static jmp_buf env;
KEEP int returns_twice(void)
{
	if (setjmp(env))
		return 1;
	green_test_move();
	return 0;
}

/* The barrier sees these at run time. */
/* EXPECT escapes_to_global VERIFIED */
KEEP int escapes_to_global(void)
{
	int x = 1;

	kept = &x;
	green_test_move();
	return x;
}

/* EXPECT escapes_to_heap VERIFIED */
KEEP int escapes_to_heap(void)
{
	int x = 1;

	heap_holder->p = &x;
	green_test_move();
	return x;
}

/* EXPECT escapes_to_unknown VERIFIED */
KEEP int escapes_to_unknown(void)
{
	int x = 1;

	unknown(&x);
	green_test_move();
	return x;
}

/* What a lent struct points to may be kept. */
/* EXPECT escapes_by_content VERIFIED */
KEEP int escapes_by_content(void)
{
	int x = 1;
	struct holder h = { &x };

	lends(&h);
	green_test_move();
	return *h.p;
}

/* EXPECT escapes_by_copy VERIFIED */
KEEP int escapes_by_copy(void)
{
	int x = 1;
	struct holder h = { &x };

	green_test_move();
	memcpy(heap_holder, &h, sizeof(h));
	green_test_move();
	return x + *h.p;
}

/* EXPECT keeps VERIFIED */
KEEP void keeps(int *p)
{
	green_test_move();
	kept = p;
}

/* EXPECT escapes_in_callee VERIFIED */
KEEP int escapes_in_callee(void)
{
	int x = 1;

	keeps(&x);
	green_test_move();
	return x;
}

/* EXPECT escapes_as_integer VERIFIED */
KEEP int escapes_as_integer(void)
{
	int x = 1;

	kept_word = (uintptr_t)&x + 8;
	green_test_move();
	return x;
}

/* EXPECT escapes_by_result VERIFIED */
KEEP int escapes_by_result(void)
{
	char buf[16];

	kept_text = fgets(buf, sizeof(buf), stdin);
	green_test_move();
	return kept_text != NULL;
}

/* EXPECT escapes_unaligned VERIFIED */
KEEP int escapes_unaligned(void)
{
	int x = 1, *p = &x;
	char buf[24];

	memset(buf, 0, sizeof(buf));
	memcpy(buf + 3, &p, sizeof(p));
	__asm__ volatile("" : "+m"(buf));
	green_test_move();
	memcpy(&p, buf + 3, sizeof(p));
	return *p;
}

/* EXPECT escapes_by_bytes VERIFIED */
KEEP int escapes_by_bytes(void)
{
	int x = 1;
	struct holder h = { &x };
	char *to = (char *)heap_holder;
	const volatile char *from = (const volatile char *)&h;

	for (unsigned int i = 0; i < sizeof(h); i++)
		to[i] = from[i];
	green_test_move();
	return *heap_holder->p;
}

/* What becomes an integer is pinned then. */
/* EXPECT integer VERIFIED */
KEEP int integer(int *p, int n)
{
	uintptr_t a = ((uintptr_t)p ^ 0x5555) + (unsigned int)n;

	__asm__ volatile("" : "+r"(a));
	green_test_move();
	return *(int *)((a - (unsigned int)n) ^ 0x5555);
}

typedef long longs __attribute__((vector_size(16)));

struct wide {
	longs v;
};

KEEP longs gather(int *p, int *q)
{
	return (longs){ (long)p, (long)q };
}

/* EXPECT aggregate VERIFIED */
KEEP long aggregate(int *p, int *q)
{
	longs v = gather(p, q);
	int *a;

	green_test_move();
	v += 4;
	a = (int *)v[0];
	return *a;
}

/* EXPECT varargs VARARGS */
KEEP int varargs(int n, ...)
{
	va_list ap;
	int sum = 0;

	va_start(ap, n);
	while (n--)
		sum += va_arg(ap, int);
	green_test_move();
	va_end(ap);
	return sum;
}

/* EXPECT dynamic DYNAMIC */
KEEP int dynamic(int n)
{
	char v[n];

	memset(v, 1, (size_t)n);
	green_test_move();
	return v[n - 1];
}

/* EXPECT asm_register CONTROL */
KEEP long asm_register(void)
{
	long x = 2, r;

	__asm__ volatile("movq (%1), %0" : "=r"(r) : "r"(&x) : "memory");
	green_test_move();
	return r + x;
}

/* EXPECT frame_address CONTROL */
KEEP void *frame_address(void)
{
	green_test_move();
	return __builtin_frame_address(0);
}

/* EXPECT stack_address CONTROL */
KEEP void *stack_address(void)
{
	green_test_move();
#if __has_builtin(__builtin_stack_address)
	return __builtin_stack_address();
#else
	return __builtin_frame_address(0);
#endif
}

/* EXPECT frame_read CONTROL */
KEEP long frame_read(void)
{
	long *frame = __builtin_frame_address(0);

	green_test_move();
	return frame[0];
}

/* Numbers are made into addresses again, elsewhere and here. */
/* EXPECT frame_kept CONTROL */
KEEP void frame_kept(void **where)
{
	*where = __builtin_frame_address(0);
	green_test_move();
}

/* EXPECT frame_masked CONTROL */
KEEP long frame_masked(unsigned long *also)
{
	unsigned long frame = (unsigned long)__builtin_frame_address(0);

	*also = frame;
	green_test_move();
	return *(long *)(frame & ~4095UL);
}

/* EXPECT frame_passed CONTROL */
KEEP void frame_passed(void (*scan)(void *))
{
	scan(__builtin_frame_address(0));
	green_test_move();
}

/* Is p in the stack? What is not seen is no number. */
/* EXPECT frame_compared CONTROL */
KEEP int frame_compared(const char *p)
{
	int is = p > (const char *)__builtin_frame_address(0);

	green_test_move();
	return is;
}

static unsigned long scan_base;

/* EXPECT frame_scanned CONTROL */
KEEP void frame_scanned(void)
{
	scan_base = (unsigned long)__builtin_frame_address(0);
	green_test_move();
}

KEEP long scanner(void)
{
	long sum = 0;

	for (long *p = &sum; p < (long *)scan_base; p++)
		sum += *p & 1;
	return sum;
}

/* EXPECT asm_goto CONTROL */
KEEP int asm_goto(int n)
{
	__asm__ goto("testl %0, %0\n\tjne %l1" : : "r"(n) : "cc" : out);
	green_test_move();
	return 1;
out:
	green_test_move();
	return 2;
}

/* A move keeps addresses modulo 64. */
/* EXPECT over_aligned CODEGEN */
KEEP int over_aligned(int n)
{
	_Alignas(128) volatile char page[128];

	page[n] = 1;
	green_test_move();
	return page[n];
}

int test_main(void)
{
	return 0;
}
