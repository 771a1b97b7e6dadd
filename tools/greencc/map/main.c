/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * greenmap in.s out.s		check and rewrite
 * greenmap --explain in.s	say which functions cannot move, and why, a line each
 */
#include "greenmap.h"

#include <stdlib.h>
#include <string.h>

static void check(struct module *m)
{
	stackmap_decode(m);
	for (size_t i = 0; i < m->nr_functions; i++) {
		struct function *f = &m->functions[i];

		if (!f->entered) /* naked, or not made by the pass */
			f->flags = GREEN_WHY_CONTROL << 8;
		function_check(m, f);
	}
	settle_tests(m);
}

static int explain(struct module *m)
{
	for (size_t i = 0; i < m->nr_functions; i++) {
		struct function *f = &m->functions[i];
		struct source at;

		if (f->flags & GREEN_MAP_VERIFIED)
			continue;
		at = module_source(m, f);
		if (at.file)
			printf("%s:%u: ", at.file, at.line);
		printf("%s: %s", f->name, why_text(GREEN_MAP_WHY(f->flags)));
		if (f->why_note)
			printf(": %s", f->why_note);
		if (f->why_line)
			printf(": %s", m->lines[f->why_line].text);
		putchar('\n');
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct module m = { 0 };
	FILE *out;

	if (argc != 3) {
		fprintf(stderr, "usage: greenmap in.s out.s | greenmap --explain in.s\n");
		return 2;
	}
	if (!strcmp(argv[1], "--explain")) {
		module_read(&m, argv[2]);
		check(&m);
		return explain(&m);
	}
	module_read(&m, argv[1]);
	check(&m);
	out = fopen(argv[2], "w");
	if (!out)
		die(argv[2], 0, "cannot be written");
	module_emit(&m, out);
	if (fclose(out))
		die(argv[2], 0, "cannot be written");
	return 0;
}
