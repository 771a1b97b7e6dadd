/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The section green_ways (names.h), of the lines that the pass left. Each entry is
 * linked to the function that makes the call: a linker that drops the one drops the
 * other, and neither keeps the function that is called.
 */
#include "greenmap.h"

#include <string.h>

/* Cuts the first word off. */
static const char *word(const char **s, int *n)
{
	const char *start = *s;

	*n = strcspn(start, " ");
	*s = start + *n + (start[*n] == ' ');
	return start;
}

static void emit_way(const char *s, size_t id, FILE *out)
{
	int n, nr_function, nr_name;
	const char *function = word(&s, &nr_function), *name = word(&s, &nr_name);
	const char *caller = word(&s, &n);

	fprintf(out, "\t.section\tgreen_ways,\"ao\",@progbits,\"%.*s\",unique,%zu\n",
		n, caller, id);
	fprintf(out, "\t.p2align\t2\n\t.long\t%.*s@GOTPCREL\n", nr_function, function);
	fprintf(out, "\t.long\t%.*s-.\n", nr_name, name);
	fprintf(out, "\t.long\t.Lgreen_way.%.*s-.\n", nr_function, function);
}

static void emit_text(const char *s, FILE *out)
{
	int n;
	const char *function = word(&s, &n);

	/* What is there already is there for another call of the same function. */
	fprintf(out, "\t.ifndef\t.Lgreen_way.%.*s\n.Lgreen_way.%.*s:\n", n, function, n, function);
	fprintf(out, "\t.asciz\t\"%.*s\"\n\t.endif\n", n, function);
}

/* Entries, or what they are called. */
static void each(const struct module *m, bool text, FILE *out)
{
	for (size_t i = 0; i < m->nr_lines; i++) {
		const char *s = m->lines[i].raw + strspn(m->lines[i].raw, " \t");

		if (strncmp(s, GREENCC_WAY, strlen(GREENCC_WAY)))
			continue;
		if (text)
			emit_text(s + strlen(GREENCC_WAY), out);
		else
			emit_way(s + strlen(GREENCC_WAY), i, out);
	}
}

void emit_ways(const struct module *m, FILE *out)
{
	fputs("\t.section\t.rodata.str1.1,\"aMS\",@progbits,1\n", out);
	each(m, true, out);
	each(m, false, out);
	fputs("\t.text\n", out);
}
