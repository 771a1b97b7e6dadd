// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* What a switch must preserve: the registers and modes that a call preserves. */
#include <fenv.h>
#include <green.h>
#include <stdint.h>

#include "alone.h"
#include "kselftest_harness.h"

static int bad;

/*
 * unsigned long yield_with_registers(unsigned long seed): fill every
 * callee-saved register from the seed, yield, and return how many came back
 * changed.
 */
unsigned long yield_with_registers(unsigned long seed);
__asm__(".text\n"
	"yield_with_registers:\n\t"
	"pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n\t"
	"pushq %rdi\n\t"
	"leaq 1(%rdi), %rbx\n\t"
	"leaq 2(%rdi), %rbp\n\t"
	"leaq 3(%rdi), %r12\n\t"
	"leaq 4(%rdi), %r13\n\t"
	"leaq 5(%rdi), %r14\n\t"
	"leaq 6(%rdi), %r15\n\t"
	"call green_yield\n\t"
	"popq %rdi\n\t"
	"xorl %eax, %eax\n\t"
	"subq %rdi, %rbx; cmpq $1, %rbx; je 1f; incl %eax\n"
	"1:\tsubq %rdi, %rbp; cmpq $2, %rbp; je 1f; incl %eax\n"
	"1:\tsubq %rdi, %r12; cmpq $3, %r12; je 1f; incl %eax\n"
	"1:\tsubq %rdi, %r13; cmpq $4, %r13; je 1f; incl %eax\n"
	"1:\tsubq %rdi, %r14; cmpq $5, %r14; je 1f; incl %eax\n"
	"1:\tsubq %rdi, %r15; cmpq $6, %r15; je 1f; incl %eax\n"
	"1:\tpopq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n\t"
	"ret\n");

static void keep_registers(void *arg)
{
	int i;

	for (i = 0; i < 1000; i++)
		bad += yield_with_registers((uintptr_t)arg + i);
}

static int registers(void *arg)
{
	green_t *a = green_go(keep_registers, (void *)0x1000000);
	green_t *b = green_go(keep_registers, (void *)0x2000000);

	(void)arg;
	return green_join(a) | green_join(b);
}

TEST(callee_saved_registers_survive)
{
	bad = 0;
	EXPECT_EQ(0, green_run(&alone, registers, NULL));
	EXPECT_EQ(0, bad);
}

/* fegetround() asks the x87 alone. */
static unsigned int sse_rounding(void)
{
	return __builtin_ia32_stmxcsr() & 0x6000;
}

static void keep_rounding(void *arg)
{
	int mode = (int)(intptr_t)arg, i;
	unsigned int sse;

	if (fesetround(mode))
		bad++;
	sse = sse_rounding();
	for (i = 0; i < 1000; i++) {
		if (i % 4)
			green_yield();
		else
			green_sleep_ns(1);
		if (fegetround() != mode || sse_rounding() != sse)
			bad++;
	}
}

static int rounding(void *arg)
{
	green_t *a = green_go(keep_rounding, (void *)(intptr_t)FE_UPWARD);
	green_t *b = green_go(keep_rounding, (void *)(intptr_t)FE_DOWNWARD);
	green_t *c = green_go(keep_rounding, (void *)(intptr_t)FE_TONEAREST);

	(void)arg;
	return green_join(a) | green_join(b) | green_join(c);
}

TEST(rounding_modes_stay_with_their_thread)
{
	bad = 0;
	EXPECT_EQ(0, green_run(&alone, rounding, NULL));
	EXPECT_EQ(0, bad);
}

TEST_HARNESS_MAIN
