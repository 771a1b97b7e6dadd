/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * greenmap: reads the assembly that clang wrote for one module, checks that no
 * stack address is kept where no map sees it, and replaces .llvm_stackmaps by
 * the section green_maps.
 */
#ifndef GREENMAP_H
#define GREENMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../../include/green_ptrmap.h"
#include "../channel.h"

struct line {
	const char *raw;	/* as read, without the newline */
	char *text;		/* trimmed, comment cut off; "" if nothing is left */
	const struct function *behind;	/* it calls this one behind its test */
	bool app;		/* between #APP and #NO_APP */
	bool stackmap;		/* belongs to section .llvm_stackmaps */
};

struct local {
	uint32_t base;
	int32_t offset;
	uint32_t size;
	uint32_t period;
	uint32_t *bitmap;	/* ceil(2 * period / 32) words */
};

struct safepoint {
	char *label;		/* at the return address */
	size_t line;		/* of the label */
	uint32_t nr_slots;
	int32_t *slots;
};

/* In front of a function: test.c. */
struct test {
	size_t at, end;		/* lines that it and its call go in front of */
	unsigned long need;
	bool wanted, cfi, far, fixed;
	bool here;		/* the call stands with the test */
};

struct function {
	char *name;
	size_t first, last;	/* lines: the label, the .size directive */
	bool local;		/* no other file can have another in its place */
	uint32_t flags;		/* GREEN_MAP_* */
	bool entered;		/* its entry record was found */
	int64_t need;		/* for the test in front; see channel.h */
	uint32_t frame;		/* bytes that its frame takes */
	struct test test;
	uint32_t untested;	/* bytes from its entry on that no other test is made for */
	enum { NEW, OPEN, DONE } state;	/* of the two: callees.c */
	size_t why_line;	/* where WHY_CODEGEN was found, or WHY_CONTROL here */
	const char *why_note;	/* what is wrong with that line, or NULL */
	uint32_t nr_args;
	uint8_t *args;
	uint32_t nr_locals;
	struct local *locals;
	uint32_t nr_safepoints;
	struct safepoint *safepoints;
};

struct label {
	char *name;
	size_t line;
};

struct module {
	const char *path;
	char *data;
	struct line *lines;
	size_t nr_lines;
	struct function *functions;
	size_t nr_functions;
	struct label *labels;	/* by name */
	size_t nr_labels;
};

struct source {
	char *file;		/* NULL if it is not known */
	unsigned int line;
};

/* asmtext.c */
void module_read(struct module *m, const char *path);
struct function *module_function(struct module *m, const char *name);
size_t module_label(const struct module *m, const struct function *f, const char *label);
struct source module_source(const struct module *m, const struct function *f);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s, size_t n);
void die(const char *path, size_t line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

/* stackmap.c */
void stackmap_decode(struct module *m);
void function_unverify(struct function *f, unsigned int why, size_t line);

/* check.c */
void function_check(struct module *m, struct function *f);

/* x87.c */
void x87_settle(struct module *m);

/* test.c */
#define SMALL_FRAME		256			/* bytes that are kept free below a limit */
#define GREEN_BEHIND_TEST	".Lgreen_grown%zu"	/* of function n */
struct test test_of(const struct module *m, const struct function *f);
void emit_test(const struct test *t, size_t n, FILE *out);
void emit_growth(const struct test *t, size_t n, FILE *out);

/* callees.c */
void settle_tests(struct module *m);

/* ways.c */
void emit_ways(const struct module *m, FILE *out);

/* emit.c */
void module_emit(struct module *m, FILE *out);
const char *why_text(unsigned int why);

#endif
