/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stack addresses that were stored where no map names them. Mapped code calls
 * green_escape() before it does that, on the green stack and in the middle of
 * anything: no locks, no memory, little stack. The frame that an address lies in
 * is pinned until it is left: its function calls green_escape_end() if there is
 * any pin below its frame pointer. What frames leave behind that are left in
 * another way lies below the stack pointer, and goes when a move is tried.
 *
 * Why this is enough stands in tools/greencc/pass/Barrier.cpp.
 */
#include "internal.h"

#include <string.h>

/* The lowest pin of the current thread; see Barrier.cpp, endOfFrame(). */
__thread uintptr_t green_escape_low __attribute__((tls_model("initial-exec"))) =
	UINTPTR_MAX;

/*
 * Most callees have the mark of greencc in front of their code (Barrier.cpp), and
 * nothing is to be done for them.
 */
#define UNLESS_MARKED(callee)						\
		"	testl	$0xffc, %e" #callee "\n"		\
		"	jz	1f\n"					\
		"	cmpl	$0x071f0f67, -4(%r" #callee ")\n"	\
		"	jne	1f\n"					\
		"	ret\n"						\
		"1:\n"

/*
 * Called with the convention preserve_most: all general registers but r11 are
 * kept. The last argument is the caller's frame pointer.
 */
#define ENTRY(name, arg, first)						\
	__asm__("	.text\n"					\
		"	.globl	" #name "\n"				\
		"	.type	" #name ", @function\n"			\
		"	.p2align 4\n"					\
		#name ":\n"						\
		"	.cfi_startproc\n"				\
		first							\
		"	pushq	%rbp\n"					\
		"	.cfi_def_cfa_offset 16\n"			\
		"	.cfi_offset rbp, -16\n"				\
		"	movq	%rsp, %rbp\n"				\
		"	.cfi_def_cfa_register rbp\n"			\
		"	pushq	%rax\n"					\
		"	pushq	%rcx\n"					\
		"	pushq	%rdx\n"					\
		"	pushq	%rsi\n"					\
		"	pushq	%rdi\n"					\
		"	pushq	%r8\n"					\
		"	pushq	%r9\n"					\
		"	pushq	%r10\n"					\
		"	andq	$-16, %rsp\n"				\
		"	cld\n"						\
		"	movq	(%rbp), %" #arg "\n"			\
		"	call	do_" #name "\n"				\
		"	leaq	-64(%rbp), %rsp\n"			\
		"	popq	%r10\n"					\
		"	popq	%r9\n"					\
		"	popq	%r8\n"					\
		"	popq	%rdi\n"					\
		"	popq	%rsi\n"					\
		"	popq	%rdx\n"					\
		"	popq	%rcx\n"					\
		"	popq	%rax\n"					\
		"	popq	%rbp\n"					\
		"	.cfi_def_cfa rsp, 8\n"				\
		"	ret\n"						\
		"	.cfi_endproc\n"					\
		"	.size	" #name ", . - " #name "\n")

ENTRY(green_escape, rsi, "");
ENTRY(green_escape_to, rdx, "");
ENTRY(green_escape_copy, rdx, "");
ENTRY(green_escape_copy_to, rcx, "");
ENTRY(green_escape_lend, rdx, UNLESS_MARKED(si));
ENTRY(green_escape_end, rdi, "");

static struct green *current(void)
{
	return green_worker ? green_worker->current : NULL;
}

static void set_low(const struct green *t)
{
	const struct green_escapes *e = &t->escapes;
	uintptr_t low = UINTPTR_MAX;
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (e->pin[i].addr < low)
			low = e->pin[i].addr;
	green_escape_low = low;
}

void green_escape_switch(const struct green *t)
{
	set_low(t);
}

/*
 * Where the frame ends that @addr lies in, its return address included, or 0 if
 * that cannot be told: only mapped functions are known to keep rbp as a frame
 * pointer.
 */
static uintptr_t frame_end(const struct green *t, uintptr_t addr, uintptr_t fp)
{
	struct green_map map;
	uintptr_t lo, hi;

	for (;;) {
		const uintptr_t *frame = (const uintptr_t *)fp;
		const void *ret;

		if (fp % 8 || !green_range_of(t, fp, &lo, &hi) || hi - fp < 16)
			return 0;
		if (addr >= lo && addr < fp + 16)
			return fp + 16;
		ret = (const void *)frame[1];
		if (green_is_join(ret))
			ret = green_joined(ret, fp + 16);
		if (!green_map_find((const char *)ret - 1, &map))
			return 0;
		fp = frame[0];
	}
}

static bool pinned(const struct green_escapes *e, uintptr_t addr)
{
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (addr >= e->pin[i].addr && addr < e->pin[i].end)
			return true;
	return false;
}

/* Too many frames are pinned: from the lowest up, all are, until the end. */
static void pin_all_above(struct green *t, uintptr_t addr)
{
	struct green_escapes *e = &t->escapes;
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (e->pin[i].addr < addr)
			addr = e->pin[i].addr;
	e->nr = 1;
	e->pin[0].addr = addr;
	e->pin[0].end = UINTPTR_MAX;
}

static void pin(struct green *t, uintptr_t addr, uintptr_t end)
{
	struct green_escapes *e = &t->escapes;
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (end && e->pin[i].end == end) {
			if (addr < e->pin[i].addr)
				e->pin[i].addr = addr;
			goto out;
		}
	if (e->nr == GREEN_ESCAPES) {
		pin_all_above(t, addr);
		goto out;
	}
	e->pin[e->nr].addr = addr;
	e->pin[e->nr].end = end ? end : addr + 1;
	e->nr++;
out:
	if (addr < green_escape_low)
		green_escape_low = addr;
}

static void escape(struct green *t, uintptr_t value, uintptr_t fp)
{
	if (green_on_stack(t, value) && !pinned(&t->escapes, value))
		pin(t, value, frame_end(t, value, fp));
}

/* @value is about to be stored where no map names it. */
void do_green_escape(uintptr_t value, uintptr_t fp);
__attribute__((used))
void do_green_escape(uintptr_t value, uintptr_t fp)
{
	struct green *t = current();

	if (!t)
		return;
	/* What cannot be looked at. */
	if (value == UINTPTR_MAX)
		pin(t, t->hi - 8, t->hi);
	else
		escape(t, value, fp);
}

/*
 * Is @dest in a frame of this stack that is not pinned? That can be no memory
 * that was found from outside. A pin of one byte is of a frame that is not known.
 */
static bool free_local(const struct green *t, uintptr_t dest, uintptr_t fp)
{
	const struct green_escapes *e = &t->escapes;
	uintptr_t end = green_on_stack(t, dest) ? frame_end(t, dest, fp) : 0;
	unsigned int i;

	if (!end)
		return false;
	for (i = 0; i < e->nr; i++)
		if (e->pin[i].addr < end &&
		    (e->pin[i].end >= end || e->pin[i].end == e->pin[i].addr + 1))
			return false;
	return true;
}

/* ... and perhaps one names it: at @dest. */
void do_green_escape_to(uintptr_t value, uintptr_t dest, uintptr_t fp);
__attribute__((used))
void do_green_escape_to(uintptr_t value, uintptr_t dest, uintptr_t fp)
{
	struct green *t = current();

	if (t && green_on_stack(t, value) && !free_local(t, dest, fp))
		escape(t, value, fp);
}

/* The @n bytes at @src are about to be copied to such a place. */
void do_green_escape_copy(uintptr_t src, size_t n, uintptr_t fp);
__attribute__((used))
void do_green_escape_copy(uintptr_t src, size_t n, uintptr_t fp)
{
	struct green *t = current();
	uintptr_t end = src + n, addr = (src + 7) & ~7UL, lo, hi;

	if (!t || !green_range_of(t, src, &lo, &hi))
		return;
	if (end > hi || end < src)
		end = hi;
	for (; addr + 8 <= end; addr += 8)
		escape(t, *(const uintptr_t *)addr, fp);
}

void do_green_escape_copy_to(uintptr_t src, size_t n, uintptr_t dest, uintptr_t fp);
__attribute__((used))
void do_green_escape_copy_to(uintptr_t src, size_t n, uintptr_t dest, uintptr_t fp)
{
	struct green *t = current();

	/* Words must land on words. */
	if (t && ((dest ^ src) % 8 || !free_local(t, dest, fp)))
		do_green_escape_copy(src, n, fp);
}

/* @value is about to be passed to @callee, which may keep it unless it asks here. */
void do_green_escape_lend(uintptr_t value, const void *callee, uintptr_t fp);
__attribute__((used))
void do_green_escape_lend(uintptr_t value, const void *callee, uintptr_t fp)
{
	struct green *t = current();

	if (t && green_on_stack(t, value) && !green_map_has_barriers(callee))
		escape(t, value, fp);
}

/*
 * Forget what lies below @addr. A pin that spans it is a rest of a frame that is
 * gone, and has covered what was to be pinned since.
 */
static void forget(struct green *t, uintptr_t addr)
{
	struct green_escapes *e = &t->escapes;
	unsigned int i = 0;

	while (i < e->nr) {
		if (e->pin[i].addr >= addr) {
			i++;
		} else if (e->pin[i].end > addr) {
			e->pin[i++].addr = addr;
		} else {
			e->pin[i] = e->pin[--e->nr];
		}
	}
}

void do_green_escape_end(uintptr_t fp);
__attribute__((used))
void do_green_escape_end(uintptr_t fp)
{
	struct green *t = current();

	if (!t) {
		green_escape_low = UINTPTR_MAX;
		return;
	}
	if (!green_on_stack(t, fp))
		return;
	forget(t, fp + 16);
	set_low(t);
}

void green_escape_prune(struct green *t)
{
	forget(t, t->sp);
	if (t == green_worker->current)
		set_low(t);
}

bool green_escape_in(const struct green *t, uintptr_t lo, uintptr_t hi)
{
	const struct green_escapes *e = &t->escapes;
	unsigned int i;

	for (i = 0; i < e->nr; i++)
		if (e->pin[i].addr >= lo && e->pin[i].addr < hi)
			return true;
	return false;
}
