// SPDX-License-Identifier: GPL-2.0
/*
 * SWITCH: there and back, with what a call preserves preserved.
 */
#include <time.h>

#include <kselftest_harness.h>

#include "kmod_test.h"

#define STACK_PAGES	4
#define ROUNDS		100000
#define LONG		120	/* seconds that the slowest machine may need */

/*
 * long sw(long fd, long cmd, struct green_switch *req): an ioctl that returns
 * when its caller's context is loaded. It keeps nothing in registers; the rest
 * is the kernel's business.
 *
 * long sw_checked(same): the same with a value of its own in each callee-saved
 * register. Returns a bit for each that came back changed; bit 8 is the
 * result, bit 9 the stack pointer.
 *
 * void other(void): the other context. Spoils every callee-saved register and
 * switches back, for ever, by what other_args points to.
 */
asm(
"	.text\n"
"sw:\n"
"	mov	$16, %eax\n"	/* ioctl */
"	syscall\n"
"	ret\n"
"sw_checked:\n"
"	push	%rbx\n"
"	push	%rbp\n"
"	push	%r12\n"
"	push	%r13\n"
"	push	%r14\n"
"	push	%r15\n"
"	movabs	$0x1111111111111111, %rbx\n"
"	movabs	$0x2222222222222222, %rbp\n"
"	movabs	$0x3333333333333333, %r12\n"
"	movabs	$0x4444444444444444, %r13\n"
"	movabs	$0x5555555555555555, %r14\n"
"	movabs	$0x6666666666666666, %r15\n"
"	mov	%rsp, sw_rsp(%rip)\n"
"	mov	$16, %eax\n"
"	syscall\n"
"	xor	%edx, %edx\n"
"	test	%rax, %rax\n"
"	je	1f\n"
"	or	$0x100, %edx\n"
"1:	cmp	%rsp, sw_rsp(%rip)\n"
"	je	1f\n"
"	or	$0x200, %edx\n"
"1:	movabs	$0x1111111111111111, %rax\n"
"	cmp	%rax, %rbx\n"
"	je	1f\n"
"	or	$1, %edx\n"
"1:	movabs	$0x2222222222222222, %rax\n"
"	cmp	%rax, %rbp\n"
"	je	1f\n"
"	or	$2, %edx\n"
"1:	movabs	$0x3333333333333333, %rax\n"
"	cmp	%rax, %r12\n"
"	je	1f\n"
"	or	$4, %edx\n"
"1:	movabs	$0x4444444444444444, %rax\n"
"	cmp	%rax, %r13\n"
"	je	1f\n"
"	or	$8, %edx\n"
"1:	movabs	$0x5555555555555555, %rax\n"
"	cmp	%rax, %r14\n"
"	je	1f\n"
"	or	$16, %edx\n"
"1:	movabs	$0x6666666666666666, %rax\n"
"	cmp	%rax, %r15\n"
"	je	1f\n"
"	or	$32, %edx\n"
"1:	mov	%rdx, %rax\n"
"	pop	%r15\n"
"	pop	%r14\n"
"	pop	%r13\n"
"	pop	%r12\n"
"	pop	%rbp\n"
"	pop	%rbx\n"
"	ret\n"
"other:\n"
"	incq	other_rounds(%rip)\n"
"	mov	%rbx, other_seen(%rip)\n"
"	mov	$-1, %rbx\n"
"	mov	$-1, %rbp\n"
"	mov	$-1, %r12\n"
"	mov	$-1, %r13\n"
"	mov	$-1, %r14\n"
"	mov	$-1, %r15\n"
"	mov	other_args(%rip), %rdi\n"
"	mov	8+other_args(%rip), %rsi\n"
"	mov	16+other_args(%rip), %rdx\n"
"	call	sw\n"
"	jmp	other\n"
);

long sw(long fd, long cmd, struct green_switch *req);
long sw_checked(long fd, long cmd, struct green_switch *req);
void other(void);

uint64_t sw_rsp, other_rounds, other_seen;
struct {
	long fd, cmd;
	struct green_switch *req;
} other_args;

FIXTURE(sw)
{
	int fd;
	char *mem;
	struct green_context main, other;
	struct green_switch there, back;
};

FIXTURE_SETUP(sw)
{
	OPEN_OR_SKIP(self->fd);
	self->mem = arena_map(self->fd, 2 * STACK_PAGES);
	ASSERT_NE(MAP_FAILED, self->mem);
	self->other = (struct green_context){
		.rip = (uintptr_t)other,
		.rsp = (uintptr_t)self->mem + STACK_PAGES * PAGE,
		.rbx = 0xabcdef,
	};
	self->there = (struct green_switch){
		.size = sizeof(self->there),
		.save = (uintptr_t)&self->main,
		.load = (uintptr_t)&self->other,
	};
	self->back = (struct green_switch){
		.size = sizeof(self->back),
		.save = (uintptr_t)&self->other,
		.load = (uintptr_t)&self->main,
	};
	other_args.fd = self->fd;
	other_args.cmd = GREEN_IOC_SWITCH;
	other_args.req = &self->back;
	other_rounds = 0;
}

FIXTURE_TEARDOWN(sw)
{
	close(self->fd);
}

TEST_F(sw, there_and_back)
{
	ASSERT_EQ(0, sw(self->fd, GREEN_IOC_SWITCH, &self->there));
	EXPECT_EQ(1, other_rounds);
	EXPECT_EQ(0xabcdef, other_seen);
	EXPECT_EQ((uintptr_t)self->mem + STACK_PAGES * PAGE - 8,
		  self->other.rsp);
}

TEST_F(sw, preserves_what_a_call_preserves)
{
	ASSERT_EQ(0, sw_checked(self->fd, GREEN_IOC_SWITCH, &self->there));
	ASSERT_EQ(0, sw_checked(self->fd, GREEN_IOC_SWITCH, &self->there));
	EXPECT_EQ(2, other_rounds);
	EXPECT_EQ(UINT64_MAX, other_seen);
	EXPECT_EQ(UINT64_MAX, self->other.r12);
	EXPECT_EQ(0x1111111111111111, self->main.rbx);
	EXPECT_EQ(0x2222222222222222, self->main.rbp);
	EXPECT_EQ(0x3333333333333333, self->main.r12);
	EXPECT_EQ(0x6666666666666666, self->main.r15);
}

TEST_F_TIMEOUT(sw, many_rounds, LONG)
{
	long bad = 0;
	int i;

	for (i = 0; i < ROUNDS; i++)
		bad |= sw_checked(self->fd, GREEN_IOC_SWITCH, &self->there);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(ROUNDS, other_rounds);
}

/* One struct for both: what is loaded is read before the save overwrites it. */
TEST_F(sw, save_and_load_in_one)
{
	struct green_context lost;

	self->there.save = self->there.load = (uintptr_t)&self->other;
	self->back.load = (uintptr_t)&self->other;
	self->back.save = (uintptr_t)&lost;
	ASSERT_EQ(0, sw_checked(self->fd, GREEN_IOC_SWITCH, &self->there));
	EXPECT_EQ(1, other_rounds);
	EXPECT_EQ(0x1111111111111111, self->other.rbx);
}

/* The stack moves while its context is away. */
TEST_F(sw, stack_moves)
{
	int64_t delta = STACK_PAGES * PAGE;
	char *top = self->mem + (STACK_PAGES - 1) * PAGE;
	int i;

	ASSERT_EQ(0, sw(self->fd, GREEN_IOC_SWITCH, &self->there));
	for (i = 0; i < 1000; i++) {
		int64_t by = i % 2 ? -delta : delta;

		ASSERT_EQ(0, move_pages(self->fd, top, top + by, 1));
		top += by;
		self->other.rsp += by;
		ASSERT_EQ(0, sw_checked(self->fd, GREEN_IOC_SWITCH,
					&self->there));
	}
	EXPECT_EQ(1001, other_rounds);
}

/* Contexts themselves may lie in the arena. */
TEST_F(sw, contexts_in_the_arena)
{
	struct green_context *c = (void *)(self->mem + 6 * PAGE);

	c[0] = self->other;
	self->there.load = self->back.save = (uintptr_t)&c[0];
	self->there.save = self->back.load = (uintptr_t)(c + PAGE / sizeof(*c));
	ASSERT_EQ(0, madvise(self->mem, 2 * STACK_PAGES * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, sw_checked(self->fd, GREEN_IOC_SWITCH, &self->there));
	EXPECT_EQ(1, other_rounds);
}

/* Without an arena: SWITCH is about registers only. */
TEST_F(sw, without_arena)
{
	static char stack[PAGE] __attribute__((aligned(16)));

	ASSERT_EQ(0, munmap(self->mem, 2 * STACK_PAGES * PAGE));
	self->other.rsp = (uintptr_t)stack + sizeof(stack);
	ASSERT_EQ(0, sw_checked(self->fd, GREEN_IOC_SWITCH, &self->there));
	EXPECT_EQ(1, other_rounds);
}

/* A handler runs on the loaded stack and returns to it. */
static volatile sig_atomic_t ticks;

static void on_alarm(int sig)
{
	ticks++;
}

TEST_F_TIMEOUT(sw, under_signals, LONG)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	long bad = 0;
	timer_t timer;
	/* Set again each time: at an interval a slow machine would do nothing else. */
	struct itimerspec soon = { .it_value.tv_nsec = 200000 };
	sig_atomic_t seen = -1;
	struct sigevent ev = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGUSR1,
	};
	int i;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, &ev, &timer));
	for (i = 0; i < ROUNDS || ticks < 100; i++) {
		if (ticks != seen) {
			seen = ticks;
			ASSERT_EQ(0, timer_settime(timer, 0, &soon, NULL));
		}
		bad |= sw_checked(self->fd, GREEN_IOC_SWITCH, &self->there);
	}
	timer_delete(timer);
	EXPECT_EQ(0, bad);
	EXPECT_EQ(i, other_rounds);
}

TEST_HARNESS_MAIN
