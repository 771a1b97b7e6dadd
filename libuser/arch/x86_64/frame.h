/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the assembly leaves on a green stack, and the places in it that walkers of frames know. */
#ifndef GREEN_ARCH_X86_64_FRAME_H
#define GREEN_ARCH_X86_64_FRAME_H

#include <green/abi.h>
#include <stdbool.h>
#include <stdint.h>

struct green_worker;

/* What entry.S pushes on a green stack; the thread's sp points at it. */
struct green_saved {
	uint32_t mxcsr;
	uint16_t fpucw, pad;
	uint64_t r15, r14, r13, r12, rbx;
	uint64_t rbp;
	uint64_t pc;
};

/*
 * What green_stack_morestack() has on the stack while the runtime works: the
 * registers that may hold arguments of the function at whose front it was called.
 */
struct green_entry {
	unsigned char floats[128];
	uint64_t flags;			/* GREEN_ENTRY_* */
	uint64_t r10;
	uint64_t word[6];		/* the last first */
	uint64_t rax;
	uint64_t pc;			/* in the function */
};

/* In its flags. */
#define GREEN_ENTRY_FAR	1		/* GREEN_ABI_FAR bytes of arguments, not GREEN_ABI_NEAR */
#define GREEN_ENTRY_FIXED	2		/* only a segment will do */

/* Of the calling OS thread. */
static inline void green_set_limit(uintptr_t limit)
{
	__asm__ volatile("movq %0, %%fs:%c1" : : "r"(limit), "i"(GREEN_ABI_LIMIT) : "memory");
}

/* Where the calling OS thread has it. */
static inline uintptr_t *green_limit(void)
{
	uintptr_t block;

	__asm__("movq %%fs:0, %0" : "=r"(block));
	return (uintptr_t *)(block + GREEN_ABI_LIMIT);
}

/* Run threads until the scheduler ends. */
long green_worker_enter(struct green_worker *w);
/* Of calls.def's kind INNER, so to speak: by way of struct green_doors. */
void green_stack_grow(uint64_t need, uint64_t taken);
void green_thread_end(long ret);
/* Calls the destructors of the running thread's values; returns @ret. */
long green_thread_destroy(long ret);
/* @target is about to become the stack pointer: bring the running thread in line. */
void green_leave_frames(uintptr_t target);
/* The stack pointer in a jmp_buf. */
uintptr_t green_jmp_target(const void *env);
_Noreturn void green_jump(const void *env, int val);
extern const char green_thread_entry[], green_thread_base[], green_cancelled[];
extern const char green_switch_resume[];
extern const char green_stack_morestack_return[], green_segment_leave[];
extern const char green_segment_leave_far[], green_try_call[];

/*
 * Is @ret where the first function of a segment returns to? The next frame says
 * where it came from.
 */
static inline bool green_is_join(const void *ret)
{
	return ret == green_segment_leave || ret == green_segment_leave_far;
}

#endif
