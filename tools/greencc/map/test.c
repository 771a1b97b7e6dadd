/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The test of the stack in front of a function, and behind it the call that is
 * made if it fails:
 *
 *	f:	[endbr64]
 *		leaq	-need(%rsp), %r11
 *		cmpq	%fs:0x70, %r11
 *		jb	2f
 *	1:	...
 *		ret
 *	2:	call	green_stack_morestack
 *		jmp	1b
 *
 * r11 tells the runtime how much is needed. Where nothing is but what is kept
 * free anyway, rsp itself is compared, and green_stack_morestack_none called.
 * The word at %fs:0x70 is the one that glibc sets aside for split stacks, and
 * the place of the test theirs as well (LLVM, X86FrameLowering.cpp).
 */
#include "greenmap.h"

#include <string.h>

/* Up to this many bytes a frame without large calls takes unchecked. */
#define SMALL_FRAME 256

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool is_label(const char *s)
{
	return *s && s[strlen(s) - 1] == ':';
}

static bool is_insn(const struct line *l)
{
	return *l->text && *l->text != '.' && *l->text != '#' && !is_label(l->text) &&
	       !l->stackmap;
}

struct test test_of(const struct module *m, const struct function *f)
{
	struct test t = { .at = f->first, .end = f->last };

	for (size_t i = f->first; i < f->last; i++) {
		const char *s = m->lines[i].text;

		t.cfi |= starts(s, ".cfi_startproc");
		if (!is_insn(&m->lines[i]))
			continue;
		t.at = i;
		if (!starts(s, "endbr64"))
			break;
	}
	/* The label that .size refers to is the last. */
	for (size_t i = f->last - 1; i > t.at; i--)
		if (*m->lines[i].text) {
			if (is_label(m->lines[i].text))
				t.end = i;
			break;
		}
	t.need = f->need & (GREENCC_VARARGS - 1);
	t.varargs = f->need & GREENCC_VARARGS;
	if (t.need || t.varargs || f->frame > SMALL_FRAME)
		t.need += f->frame;
	t.taken = f->frame > GREENCC_UNCHECKED_FRAME ? f->frame : 0;
	return t;
}

void emit_test(const struct test *t, size_t n, FILE *out)
{
	if (t->cfi)
		fputs("\t.cfi_remember_state\n", out);
	if (t->need)
		fprintf(out, "\tleaq\t-%lu(%%rsp), %%r11\n\tcmpq\t%%fs:112, %%r11\n", t->need);
	else
		fputs("\tcmpq\t%fs:112, %rsp\n", out);
	fprintf(out, "\tjb\t.Lgreen_grow%zu\n.Lgreen_grown%zu:\n", n, n);
}

/* A frame that is to be taken at once is in r10. */
void emit_growth(const struct test *t, size_t n, FILE *out)
{
	const char *entry = "green_stack_morestack";

	fprintf(out, ".Lgreen_grow%zu:\n", n);
	if (t->cfi)
		fputs("\t.cfi_restore_state\n", out);
	if (!t->need)
		entry = "green_stack_morestack_none";
	if (t->taken || t->varargs) {
		fprintf(out, "\tmovl\t$%lu, %%r10d\n", t->taken);
		entry = t->varargs ? "green_stack_morestack_varargs" :
				     "green_stack_morestack_frame";
	}
	fprintf(out, "\tcallq\t*%s@GOTPCREL(%%rip)\n\tjmp\t.Lgreen_grown%zu\n", entry, n);
}
