/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The assembly again, with section green_maps in place of .llvm_stackmaps. */
#include "greenmap.h"

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

static void emit_args(const struct function *f, FILE *out)
{
	for (uint32_t i = 0; i < f->nr_args; i += 4) {
		uint32_t word = 0;

		for (uint32_t j = i; j < i + 4 && j < f->nr_args; j++)
			word |= (uint32_t)f->args[j] << (8 * (j - i));
		fprintf(out, "\t.long\t%u\n", word);
	}
}

static void emit_locals(const struct function *f, FILE *out)
{
	for (uint32_t i = 0; i < f->nr_locals; i++) {
		const struct local *l = &f->locals[i];

		fprintf(out, "\t.long\t%u, %d, %u, %u", l->base, l->offset, l->size,
			l->period);
		for (uint32_t w = 0; w < (l->period + 15) / 16; w++)
			fprintf(out, ", %u", l->bitmap[w]);
		fputc('\n', out);
	}
}

static void emit_safepoints(const struct function *f, size_t n, FILE *out)
{
	for (uint32_t i = 0; i < f->nr_safepoints; i++) {
		const struct safepoint *sp = &f->safepoints[i];

		fprintf(out, "\t.long\t%s-.Lgreen_func%zu, %u", sp->label, n, sp->nr_slots);
		for (uint32_t s = 0; s < sp->nr_slots; s++)
			fprintf(out, ", %d", sp->slots[s]);
		fputc('\n', out);
	}
}

static void emit_record(const struct function *f, size_t n, FILE *out)
{
	fprintf(out, ".Lgreen_map%zu:\n", n);
	fprintf(out, "\t.long\t.Lgreen_map_end%zu-.Lgreen_map%zu\n", n, n);
	fprintf(out, "\t.long\t%u\n", GREEN_MAP_VERSION);
	fprintf(out, "\t.long\t.Lgreen_func%zu-.\n", n);
	fprintf(out, "\t.long\t.Lgreen_func_end%zu-.Lgreen_func%zu\n", n, n);
	fprintf(out, "\t.long\t.Lgreen_name%zu-.\n", n);
	fprintf(out, "\t.long\t%u, %u, %u, %u\n", f->flags, f->nr_args,
		f->nr_locals, f->nr_safepoints);
	emit_args(f, out);
	emit_locals(f, out);
	emit_safepoints(f, n, out);
	fprintf(out, ".Lgreen_map_end%zu:\n", n);
}

static void emit_name(const struct function *f, size_t n, FILE *out)
{
	fprintf(out, ".Lgreen_name%zu:\n\t.asciz\t\"", n);
	for (const char *s = f->name; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputs("\"\n", out);
}

void module_emit(struct module *m, FILE *out)
{
	size_t f = 0;

	for (size_t i = 0; i < m->nr_lines; i++) {
		const struct function *fn = f < m->nr_functions ? &m->functions[f] : NULL;

		if (fn && i == fn->last)
			fprintf(out, ".Lgreen_func_end%zu:\n", f++);
		if (!m->lines[i].stackmap)
			fprintf(out, "%s\n", m->lines[i].raw);
		if (fn && i == fn->first)
			fprintf(out, ".Lgreen_func%zu:\n", f);
	}
	if (!m->nr_functions)
		return;
	fputs("\t.section\tgreen_maps,\"a\",@progbits\n\t.p2align\t2\n", out);
	for (size_t i = 0; i < m->nr_functions; i++)
		emit_record(&m->functions[i], i, out);
	fputs("\t.section\t.rodata.green_names,\"aMS\",@progbits,1\n", out);
	for (size_t i = 0; i < m->nr_functions; i++)
		emit_name(&m->functions[i], i, out);
	fputs("\t.text\n", out);
}
