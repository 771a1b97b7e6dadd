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
 * A jump that is not taken is what a short function wants. In a long one it costs
 * more bytes than it is worth, and the call stands in front of 1, jumped over. r11 tells the runtime how much is needed. Where nothing is but what is kept
 * free anyway, rsp itself is compared, and green_stack_morestack_none called.
 * The word at %fs:0x70 is the one that glibc sets aside for split stacks, and
 * the place of the test theirs as well (LLVM, X86FrameLowering.cpp).
 */
#include "greenmap.h"

#include <string.h>

/* From so many instructions on the far end is beyond a short jump's reach. */
#define LONG_FUNCTION 28

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
	size_t insns = 0;

	for (size_t i = f->last; i-- > f->first; )
		if (is_insn(&m->lines[i]) && !starts(m->lines[i].text, "endbr64")) {
			t.at = i;
			insns++;
		}
	for (size_t i = f->first; i < t.at; i++)
		t.cfi |= starts(m->lines[i].text, ".cfi_startproc");
	t.here = insns > LONG_FUNCTION;
	/* The label that .size refers to is the last. */
	for (size_t i = f->last - 1; i > t.at; i--)
		if (*m->lines[i].text) {
			if (is_label(m->lines[i].text))
				t.end = i;
			break;
		}
	t.wanted = f->need >= 0 && !(f->need & GREENCC_IF_LARGE && f->frame <= SMALL_FRAME);
	t.far = f->need & GREENCC_FAR;
	t.fixed = f->need & GREENCC_FIXED;
	t.need = f->need & (GREENCC_FAR - 1);
	if (t.need || t.far || f->frame > SMALL_FRAME)
		t.need += f->frame;
	return t;
}

static void emit_call(const struct test *t, FILE *out)
{
	const char *kind = t->fixed ? "_fixed" : t->far ? "_far" : t->need ? "" : "_none";

	fprintf(out, "\tcallq\t*green_stack_morestack%s@GOTPCREL(%%rip)\n", kind);
}

void emit_test(const struct test *t, size_t n, FILE *out)
{
	if (t->need)
		fprintf(out, "\tleaq\t-%lu(%%rsp), %%r11\n\tcmpq\t%%fs:112, %%r11\n", t->need);
	else
		fputs("\tcmpq\t%fs:112, %rsp\n", out);
	if (t->here) {
		fprintf(out, "\tjae\t" GREEN_BEHIND_TEST "\n", n);
		emit_call(t, out);
	} else {
		if (t->cfi)
			fputs("\t.cfi_remember_state\n", out);
		fprintf(out, "\tjb\t.Lgreen_grow%zu\n", n);
	}
	fprintf(out, GREEN_BEHIND_TEST ":\n", n);
}

void emit_growth(const struct test *t, size_t n, FILE *out)
{
	if (t->here)
		return;
	fprintf(out, ".Lgreen_grow%zu:\n", n);
	if (t->cfi)
		fputs("\t.cfi_restore_state\n", out);
	emit_call(t, out);
	fprintf(out, "\tjmp\t" GREEN_BEHIND_TEST "\n", n);
}
