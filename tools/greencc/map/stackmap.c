/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The contents of .llvm_stackmaps, version 3, read from its directives:
 * https://llvm.org/docs/StackMaps.html#stack-map-format
 */
#include "greenmap.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum location_type {
	LOC_REGISTER = 1,
	LOC_DIRECT,
	LOC_INDIRECT,
	LOC_CONSTANT,
	LOC_CONST_INDEX,
};

/* DWARF numbers. */
#define DWARF_RBP 6
#define DWARF_RSP 7

struct symbol {
	size_t offset;
	char *text;
};

struct image {
	const char *path;
	uint8_t *data;
	size_t size, room;
	struct symbol *symbols;		/* by offset */
	size_t nr_symbols;
	size_t pos, next_symbol;	/* of the reader */
};

struct location {
	unsigned int type;
	unsigned int reg;
	int32_t offset;
	uint64_t value;			/* of a constant */
};

/* -- directives to bytes -------------------------------------------------- */

static void append(struct image *im, uint64_t value, unsigned int bytes)
{
	if (im->size + bytes > im->room)
		im->data = xrealloc(im->data, im->room = 2 * im->room + 64);
	for (unsigned int i = 0; i < bytes; i++)
		im->data[im->size++] = value >> (8 * i);
}

static void append_value(struct image *im, const char *s, unsigned int bytes)
{
	char *end;
	uint64_t v;

	while (isspace((unsigned char)*s))
		s++;
	v = *s == '-' ? (uint64_t)strtoll(s, &end, 0) : strtoull(s, &end, 0);
	if (*end || end == s) {
		size_t n = strlen(s);
		bool quoted = n > 1 && s[0] == '"' && s[n - 1] == '"';

		im->symbols = xrealloc(im->symbols,
				       (im->nr_symbols + 1) * sizeof(*im->symbols));
		im->symbols[im->nr_symbols++] = (struct symbol){
			im->size, quoted ? xstrdup(s + 1, n - 2) : xstrdup(s, n),
		};
		v = 0;
	}
	append(im, v, bytes);
}

static bool directive(struct image *im, const char *s)
{
	static const struct {
		const char *word;
		unsigned int bytes;
	} data[] = {
		{ ".byte", 1 }, { ".short", 2 }, { ".value", 2 }, { ".2byte", 2 },
		{ ".long", 4 }, { ".4byte", 4 }, { ".quad", 8 }, { ".8byte", 8 },
	};
	size_t n = strcspn(s, " \t");

	for (size_t i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
		if (strlen(data[i].word) == n && !strncmp(s, data[i].word, n)) {
			append_value(im, s + n, data[i].bytes);
			return true;
		}
	}
	if (!strncmp(s, ".p2align", n)) {
		size_t align = (size_t)1 << strtoul(s + n, NULL, 0);

		while (im->size % align)
			append(im, 0, 1);
		return true;
	}
	return !*s || s[strlen(s) - 1] == ':' || !strncmp(s, ".section", 8);
}

static void image_read(struct module *m, struct image *im)
{
	for (size_t i = 0; i < m->nr_lines; i++)
		if (m->lines[i].stackmap && !directive(im, m->lines[i].text))
			die(m->path, i + 1, "unknown directive in .llvm_stackmaps: %s",
			    m->lines[i].text);
}

/* -- the reader ----------------------------------------------------------- */

static uint64_t take(struct image *im, unsigned int bytes)
{
	uint64_t v = 0;

	if (im->size - im->pos < bytes)
		die(im->path, 0, ".llvm_stackmaps is cut short");
	for (unsigned int i = 0; i < bytes; i++)
		v |= (uint64_t)im->data[im->pos + i] << (8 * i);
	im->pos += bytes;
	return v;
}

/* The symbol expression that stands at the reader's position. */
static const char *take_symbol(struct image *im, unsigned int bytes)
{
	while (im->next_symbol < im->nr_symbols &&
	       im->symbols[im->next_symbol].offset < im->pos)
		im->next_symbol++;
	if (im->next_symbol == im->nr_symbols ||
	    im->symbols[im->next_symbol].offset != im->pos)
		die(im->path, 0, ".llvm_stackmaps has a number in place of a symbol");
	take(im, bytes);
	return im->symbols[im->next_symbol].text;
}

static void align(struct image *im)
{
	im->pos = (im->pos + 7) & ~(size_t)7;
}

static struct location take_location(struct image *im, const uint64_t *constants,
				     uint32_t nr_constants)
{
	struct location l = { .type = take(im, 1) };

	take(im, 1);
	take(im, 2);
	l.reg = take(im, 2);
	take(im, 2);
	l.offset = (int32_t)take(im, 4);
	if (l.type == LOC_CONSTANT)
		l.value = (uint64_t)(int64_t)l.offset;
	if (l.type == LOC_CONST_INDEX) {
		if ((uint32_t)l.offset >= nr_constants)
			die(im->path, 0, ".llvm_stackmaps: bad constant index");
		l.value = constants[l.offset];
		l.type = LOC_CONSTANT;
	}
	return l;
}

/* -- records -------------------------------------------------------------- */

void function_unverify(struct function *f, unsigned int why, size_t line)
{
	if (!(f->flags & GREEN_MAP_VERIFIED))
		return;
	f->flags &= ~GREEN_MAP_VERIFIED;
	f->flags |= why << 8;
	f->why_line = line;
}

struct cursor {
	const char *path;
	const struct location *loc;
	size_t nr, pos;
};

static const struct location *next(struct cursor *c)
{
	if (c->pos == c->nr)
		die(c->path, 0, "an entry record is cut short");
	return &c->loc[c->pos++];
}

static uint64_t next_constant(struct cursor *c)
{
	const struct location *l = next(c);

	if (l->type != LOC_CONSTANT)
		die(c->path, 0, "an entry record has no constant where one belongs");
	return l->value;
}

static void read_local(struct cursor *c, struct function *f, struct local *l)
{
	const struct location *at = next(c);
	uint32_t words;

	l->base = at->reg == DWARF_RSP ? GREEN_BASE_RSP : GREEN_BASE_RBP;
	l->offset = at->offset;
	if (at->type != LOC_DIRECT || (at->reg != DWARF_RBP && at->reg != DWARF_RSP)) {
		/* Its place is not known: no record of locals then. */
		function_unverify(f, GREEN_WHY_CODEGEN, f->first);
		f->flags &= ~GREEN_MAP_LOCALS;
	}
	l->size = next_constant(c);
	l->period = next_constant(c);
	words = (l->period + 15) / 16;
	l->bitmap = xrealloc(NULL, words * sizeof(*l->bitmap));
	for (uint32_t i = 0; i < words; i++)
		l->bitmap[i] = next_constant(c);
}

static bool has_kinds(const struct local *l)
{
	for (uint32_t i = 0; i < (l->period + 15) / 16; i++)
		if (l->bitmap[i])
			return true;
	return false;
}

static void read_entry(struct cursor *c, struct function *f)
{
	if (f->entered)
		return;	/* code generation may double a block */
	f->entered = true;
	f->flags = next_constant(c);
	f->need = next_constant(c);
	f->nr_args = next_constant(c);
	f->args = xrealloc(NULL, f->nr_args);
	for (uint32_t i = 0; i < f->nr_args; i++)
		f->args[i] = next_constant(c);
	f->nr_locals = next_constant(c);
	f->locals = xrealloc(NULL, f->nr_locals * sizeof(*f->locals));
	for (uint32_t i = 0; i < f->nr_locals; i++) {
		read_local(c, f, &f->locals[i]);
		if (f->locals[i].offset % 8 && has_kinds(&f->locals[i]))
			function_unverify(f, GREEN_WHY_CODEGEN, f->first);
	}
	if (!(f->flags & GREEN_MAP_LOCALS))
		f->nr_locals = 0;
}

static void add_slot(struct safepoint *sp, int32_t offset)
{
	for (uint32_t i = 0; i < sp->nr_slots; i++)
		if (sp->slots[i] == offset)
			return;
	sp->slots = xrealloc(sp->slots, (sp->nr_slots + 1) * sizeof(*sp->slots));
	sp->slots[sp->nr_slots++] = offset;
}

/*
 * Three constants, the number of deopt values last, then pairs of base and
 * derived pointer. A constant is null or no address of the stack.
 */
static void read_call(struct module *m, struct function *f, struct cursor *c,
		      const char *expr)
{
	struct safepoint sp = { 0 };
	size_t n = strcspn(expr, "-");
	uint64_t deopt;

	sp.label = xstrdup(expr, n);
	sp.line = module_label(m, f, sp.label);
	if (!sp.line) {
		/* Part of the function went to another section. */
		function_unverify(f, GREEN_WHY_CODEGEN, f->first);
		return;
	}
	next_constant(c);
	next_constant(c);
	deopt = next_constant(c);
	while (deopt--)
		next(c);
	while (c->pos < c->nr) {
		const struct location *l = next(c);

		if (l->type == LOC_CONSTANT)
			continue;
		if (l->type != LOC_INDIRECT || l->reg != DWARF_RSP || l->offset % 8 ||
		    l->offset < 0)
			function_unverify(f, GREEN_WHY_CODEGEN, sp.line);
		else
			add_slot(&sp, l->offset);
	}
	f->safepoints = xrealloc(f->safepoints,
				 (f->nr_safepoints + 1) * sizeof(*f->safepoints));
	f->safepoints[f->nr_safepoints++] = sp;
}

static void read_record(struct module *m, struct image *im, struct function *f,
			const uint64_t *constants, uint32_t nr_constants)
{
	uint64_t id = take(im, 8);
	const char *expr = take_symbol(im, 4);
	struct location *loc;
	struct cursor c = { .path = m->path };

	take(im, 2);
	c.nr = take(im, 2);
	c.loc = loc = xrealloc(NULL, c.nr * sizeof(*loc));
	for (size_t i = 0; i < c.nr; i++)
		loc[i] = take_location(im, constants, nr_constants);
	align(im);
	take(im, 2);
	for (uint64_t live_outs = take(im, 2); live_outs; live_outs--)
		take(im, 4);
	align(im);
	if (id == GREENCC_ENTRY_ID)
		read_entry(&c, f);
	else if (id == GREENCC_CALL_ID)
		read_call(m, f, &c, expr);
	free(loc);
}

static int by_line(const void *a, const void *b)
{
	const struct safepoint *x = a, *y = b;

	return (x->line > y->line) - (x->line < y->line);
}

static void read_leaf(struct module *m, const char *s)
{
	char *name = xstrdup(s, strcspn(s, " ")), *end = (char *)s + strlen(name);
	struct function *f = module_function(m, name);

	free(name);
	if (!f)	/* nobody calls it, or all do inline */
		return;
	f->entered = true;
	f->flags = strtoul(end, &end, 10);
	f->need = strtol(end, &end, 10);
	f->nr_args = strtoul(end, &end, 10);
	f->args = xrealloc(NULL, f->nr_args);
	for (uint32_t i = 0; i < f->nr_args; i++)
		f->args[i] = strtoul(end, &end, 10);
}

static void read_leaves(struct module *m)
{
	for (size_t i = 0; i < m->nr_lines; i++) {
		const char *s = m->lines[i].raw + strspn(m->lines[i].raw, " \t");

		if (!strncmp(s, GREENCC_LEAF, strlen(GREENCC_LEAF)))
			read_leaf(m, s + strlen(GREENCC_LEAF));
	}
}

void stackmap_decode(struct module *m)
{
	struct image im = { .path = m->path };
	uint32_t nr_functions, nr_constants, nr_records;
	struct function **owners;
	uint64_t *counts, *constants;

	read_leaves(m);
	image_read(m, &im);
	if (!im.size)
		return;
	if (take(&im, 1) != 3)
		die(m->path, 0, "unknown version of .llvm_stackmaps");
	take(&im, 3);
	nr_functions = take(&im, 4);
	nr_constants = take(&im, 4);
	nr_records = take(&im, 4);
	owners = xrealloc(NULL, nr_functions * sizeof(*owners));
	counts = xrealloc(NULL, nr_functions * sizeof(*counts));
	constants = xrealloc(NULL, nr_constants * sizeof(*constants));
	for (uint32_t i = 0; i < nr_functions; i++) {
		const char *name = take_symbol(&im, 8);

		owners[i] = module_function(m, name);
		if (!owners[i])
			die(m->path, 0, ".llvm_stackmaps names no function: %s", name);
		take(&im, 8);
		counts[i] = take(&im, 8);
	}
	for (uint32_t i = 0; i < nr_constants; i++)
		constants[i] = take(&im, 8);
	for (uint32_t i = 0, f = 0; i < nr_records; i++) {
		while (f < nr_functions && !counts[f])
			f++;
		if (f == nr_functions)
			die(m->path, 0, ".llvm_stackmaps has records without a function");
		counts[f]--;
		read_record(m, &im, owners[f], constants, nr_constants);
	}
	for (size_t i = 0; i < m->nr_functions; i++)
		if (m->functions[i].nr_safepoints)
			qsort(m->functions[i].safepoints, m->functions[i].nr_safepoints,
			      sizeof(struct safepoint), by_line);
	for (size_t i = 0; i < im.nr_symbols; i++)
		free(im.symbols[i].text);
	free(im.symbols);
	free(im.data);
	free(owners);
	free(counts);
	free(constants);
}
