/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The assembly again, with section green_maps in place of .llvm_stackmaps. */
#include "greenmap.h"

#include <stdlib.h>
#include <string.h>

const char *why_text(unsigned int why)
{
	static const char *const text[] = {
		[GREEN_WHY_NONE] = "movable",
		[GREEN_WHY_RETURNS_TWICE] = "calls setjmp or its like",
		[GREEN_WHY_ESCAPE] = "a local's address may be kept outside of the stack",
		[GREEN_WHY_INTEGER] = "an address may live in an integer across a call",
		[GREEN_WHY_AGGREGATE] = "an address may live in a vector, a struct value or a misaligned word",
		[GREEN_WHY_VARARGS] = "reads variable arguments",
		[GREEN_WHY_DYNAMIC] = "has a local of variable size",
		[GREEN_WHY_CONTROL] = "takes frame addresses by assembly or builtins",
		[GREEN_WHY_CODEGEN] = "the emitted assembly cannot be verified",
	};

	return why < sizeof(text) / sizeof(text[0]) ? text[why] : "unknown reason";
}

static void emit_bytes(const uint8_t *bytes, uint32_t n, FILE *out)
{
	for (uint32_t i = 0; i < n; i++)
		fprintf(out, "%s%u", i ? ", " : "\t.byte\t", bytes[i]);
	if (n)
		fputc('\n', out);
}

static void emit_args(const struct function *f, FILE *out)
{
	uint8_t *bits = xrealloc(NULL, f->nr_args / 4 + 1);

	memset(bits, 0, f->nr_args / 4 + 1);
	for (uint32_t i = 0; i < f->nr_args; i++)
		bits[i / 4] |= f->args[i] << (i % 4 * 2);
	fprintf(out, "\t.uleb128\t%u\n", f->nr_args);
	emit_bytes(bits, (f->nr_args + 3) / 4, out);
	free(bits);
}

static unsigned int word_kind(const struct local *l, uint32_t i)
{
	return l->bitmap[i / 16] >> (i % 16 * 2) & 3;
}

/* The kind that all its words have; -1 if they differ. */
static int local_kind(const struct local *l)
{
	uint32_t n = l->size / 8 < l->period ? l->size / 8 : l->period;

	for (uint32_t i = 1; i < n; i++)
		if (word_kind(l, i) != word_kind(l, 0))
			return -1;
	return n ? word_kind(l, 0) : GREEN_WORD_SCALAR;
}

static void emit_local(const struct local *l, FILE *out)
{
	int kind = local_kind(l);
	uint8_t *bits;

	fprintf(out, "\t.uleb128\t%u\n\t.sleb128\t%d\n",
		l->size / 8 << 3 | l->base << 2 | (kind < 0 ? 0 : kind), l->offset / 8);
	if (kind >= 0)
		return;
	bits = xrealloc(NULL, l->period / 4 + 1);
	memset(bits, 0, l->period / 4 + 1);
	for (uint32_t i = 0; i < l->period; i++)
		bits[i / 4] |= word_kind(l, i) << (i % 4 * 2);
	fprintf(out, "\t.uleb128\t%u\n", l->period);
	emit_bytes(bits, (l->period + 3) / 4, out);
	free(bits);
}

/* What is known to hold no stack address needs no map. */
static void emit_locals(const struct function *f, bool movable, FILE *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; movable && i < f->nr_locals; i++)
		n += local_kind(&f->locals[i]) != GREEN_WORD_SCALAR;
	fprintf(out, "\t.uleb128\t%u\n", n);
	for (uint32_t i = 0; n && i < f->nr_locals; i++)
		if (local_kind(&f->locals[i]) != GREEN_WORD_SCALAR)
			emit_local(&f->locals[i], out);
}

static int by_value(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

/* All slots of the function, ascending, each once. Returns how many. */
static uint32_t all_slots(const struct function *f, int32_t **slots)
{
	uint32_t n = 0, kept = 0;

	for (uint32_t i = 0; i < f->nr_safepoints; i++)
		n += f->safepoints[i].nr_slots;
	*slots = xrealloc(NULL, n * sizeof(**slots));
	n = 0;
	for (uint32_t i = 0; i < f->nr_safepoints; i++)
		for (uint32_t s = 0; s < f->safepoints[i].nr_slots; s++)
			(*slots)[n++] = f->safepoints[i].slots[s];
	qsort(*slots, n, sizeof(**slots), by_value);
	for (uint32_t i = 0; i < n; i++)
		if (!kept || (*slots)[kept - 1] != (*slots)[i])
			(*slots)[kept++] = (*slots)[i];
	return kept;
}

static void emit_live(const struct safepoint *sp, const int32_t *slots, uint32_t n,
		      FILE *out)
{
	uint8_t *live = xrealloc(NULL, n / 8 + 1);

	memset(live, 0, n / 8 + 1);
	for (uint32_t s = 0; s < sp->nr_slots; s++) {
		const int32_t *at = bsearch(&sp->slots[s], slots, n, sizeof(*slots),
					    by_value);

		live[(at - slots) / 8] |= 1 << (at - slots) % 8;
	}
	emit_bytes(live, (n + 7) / 8, out);
	free(live);
}

static void emit_safepoints(const struct function *f, size_t n, FILE *out)
{
	int32_t *slots;
	uint32_t nr = all_slots(f, &slots);

	fprintf(out, "\t.uleb128\t%u\n", nr);
	for (uint32_t i = 0; i < nr; i++)
		fprintf(out, "\t.uleb128\t%d\n", (slots[i] - (i ? slots[i - 1] : 0)) / 8);
	fprintf(out, "\t.uleb128\t%u\n", f->nr_safepoints);
	for (uint32_t i = 0; i < f->nr_safepoints; i++) {
		const struct safepoint *sp = &f->safepoints[i];

		if (i)
			fprintf(out, "\t.uleb128\t%s-%s\n", sp->label, sp[-1].label);
		else
			fprintf(out, "\t.uleb128\t%s-.Lgreen_func%zu\n", sp->label, n);
		emit_live(sp, slots, nr, out);
	}
	free(slots);
}

static void emit_name(const struct function *f, FILE *out)
{
	fputs("\t.asciz\t\"", out);
	for (const char *s = f->name; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputs("\"\n", out);
}

static void emit_function(const struct function *f, size_t n, FILE *out)
{
	bool movable = f->flags & GREEN_MAP_VERIFIED;

	fprintf(out, "\t.long\t.Lgreen_func%zu-.\n", n);
	fprintf(out, "\t.uleb128\t.Lgreen_func_end%zu-.Lgreen_func%zu\n", n, n);
	fprintf(out, "\t.uleb128\t%u\n", f->flags);
	emit_name(f, out);
	emit_args(f, out);
	emit_locals(f, movable, out);
	if (movable)
		emit_safepoints(f, n, out);
	else
		fputs("\t.uleb128\t0\n\t.uleb128\t0\n", out);
}

/* The second is what other names of the function refer to (channel.h). */
static void emit_entry_labels(const struct function *f, size_t n, FILE *out)
{
	fprintf(out, ".Lgreen_func%zu:\n", n);
	if (!strpbrk(f->name, "\"\\"))
		fprintf(out, "\"" GREENCC_ENTRY_LABEL "%s\":\n", f->name);
}

static void emit_line(const struct module *m, const struct line *l, FILE *out)
{
	if (l->behind)
		fprintf(out, "\t%s\t" GREEN_BEHIND_TEST "\n", *l->text == 'j' ? "jmp" : "callq",
			(size_t)(l->behind - m->functions));
	else if (!l->stackmap)
		fprintf(out, "%s\n", l->raw);
}

void module_emit(struct module *m, FILE *out)
{
	size_t f = 0;

	for (size_t i = 0; i < m->nr_lines; i++) {
		const struct function *fn = f < m->nr_functions ? &m->functions[f] : NULL;

		if (fn && fn->test.wanted && i == fn->test.at)
			emit_test(&fn->test, f, out);
		if (fn && fn->test.wanted && i == fn->test.end)
			emit_growth(&fn->test, f, out);
		if (fn && i == fn->last)
			fprintf(out, ".Lgreen_func_end%zu:\n", f++);
		emit_line(m, &m->lines[i], out);
		if (fn && i == fn->first)
			emit_entry_labels(fn, f, out);
	}
	emit_ways(m, out);
	if (!m->nr_functions)
		return;
	fputs("\t.section\tgreen_maps,\"a\",@progbits\n\t.p2align\t2\n", out);
	fputs(".Lgreen_maps:\n\t.long\t.Lgreen_maps_end-.Lgreen_maps\n", out);
	fprintf(out, "\t.long\t%u, %zu\n", GREEN_MAP_PACKED, m->nr_functions);
	for (size_t i = 0; i < m->nr_functions; i++)
		emit_function(&m->functions[i], i, out);
	fputs("\t.p2align\t2\n.Lgreen_maps_end:\n\t.text\n", out);
}
