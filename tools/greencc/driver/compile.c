/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* From a C file to assembly, by way of the pass and of greenmap, and to an object. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdlib.h>
#include <string.h>

/* -MD without -MF and -MT names files by the object, not by our temporary. */
static void dependency_options(struct list *cmd, const char *object, const char *source)
{
	const char *named = opt.output ? opt.output : NULL;
	char *file;

	if (!opt.deps)
		return;
	if (!opt.dep_target) {
		push(cmd, "-MT");
		push(cmd, object);
	}
	if (opt.dep_file) {
		file = strdup(opt.dep_file);
	} else if (named && opt.inputs.n == 1) {
		file = format("%.*s.d", (int)(strlen(named) - strlen(extension(named))), named);
	} else {
		file = base_name(source, ".d");
	}
	push(cmd, "-MF");
	push(cmd, file);
	free(file);
}

static void to_assembly(const char *source, const char *language, const char *object,
			const char *raw)
{
	struct list cmd = { 0 };

	push(&cmd, opt.clang);
	push_all(&cmd, &opt.compile);
	push(&cmd, "-S");
	push(&cmd, format("-fpass-plugin=%s/greenpass.so", opt.dir));
	push(&cmd, "-fno-omit-frame-pointer");
	push(&cmd, "-momit-leaf-frame-pointer");
	push(&cmd, "-fno-lto");
	push(&cmd, "-mllvm");
	push(&cmd, "-no-x86-call-frame-opt");
	push(&cmd, "-Wno-unused-command-line-argument");
	if (opt.explain)
		push(&cmd, "-gline-tables-only");
	push(&cmd, "-x");
	push(&cmd, language);
	push(&cmd, source);
	push(&cmd, "-o");
	push(&cmd, raw);
	dependency_options(&cmd, object, source);
	must(&cmd);
}

static void map_assembly(const char *raw, const char *done)
{
	struct list cmd = { 0 };

	push(&cmd, format("%s/greenmap", opt.dir));
	push(&cmd, opt.explain ? "--explain" : raw);
	push(&cmd, opt.explain ? raw : done);
	must(&cmd);
}

static void compile_mapped(const char *source, const char *language, const char *object,
			   const char *done)
{
	char *raw = temporary("raw.s");
	char *options = format("%s%s%s%s%s%s", opt.no_growth ? "no-growth" : "growth",
			       opt.all_mapped ? " all-mapped" : "",
			       is_option("-ffunction-sections") ? " sections" : "",
			       opt.no_warn_depth ? " no-warn-depth" : "",
			       opt.explain ? " verbose" : "",
			       opt.not_libc ? opt.not_libc : "");

	setenv("GREENCC_PASS_OPTIONS", options, 1);
	to_assembly(source, language, object, raw);
	map_assembly(raw, done);
	free(options);
	free(raw);
}

static bool is_for_assembler(const char *a)
{
	/* Debug information is in the directives already. */
	return !starts(a, "-g") && !starts(a, "-M") && !starts(a, "-std=") &&
	       (!starts(a, "-W") || starts(a, "-Wa,")) && strcmp(a, "-pedantic");
}

static void assemble(const char *text, const char *object)
{
	struct list cmd = { 0 };

	push(&cmd, opt.clang);
	for (size_t i = 0; i < opt.compile.n; i++) {
		const char *a = opt.compile.v[i];

		if (takes_value(a)) {
			/* Include paths and the like: nothing for an assembler. */
			if (!strcmp(a, "-target") || !strcmp(a, "-Xassembler")) {
				push(&cmd, a);
				push(&cmd, opt.compile.v[i + 1]);
			}
			i++;
		} else if (is_for_assembler(a)) {
			push(&cmd, a);
		}
	}
	push(&cmd, "-Wno-unused-command-line-argument");
	push(&cmd, "-c");
	push(&cmd, text);
	push(&cmd, "-o");
	push(&cmd, object);
	must(&cmd);
}

void compile_to_object(const char *source, const char *language,
		       const char *object, const char *named)
{
	char *done = temporary("mapped.s");

	compile_mapped(source, language, named, done);
	if (!opt.explain)
		assemble(done, object);
	free(done);
}

int compile_only(void)
{
	if (opt.output && opt.inputs.n > 1)
		die("-o with -c or -S and several files");
	for (size_t i = 0; i < opt.inputs.n; i++) {
		const char *source = opt.inputs.v[i], *language = opt.languages.v[i];
		const char *ext = opt.to_assembly ? ".s" : ".o";
		char *object = opt.output ? strdup(opt.output) : base_name(source, ext);

		if (opt.to_assembly && !opt.explain)
			compile_mapped(source, language, object,
				       strcmp(object, "-") ? object : "/dev/stdout");
		else
			compile_to_object(source, language, object, object);
		free(object);
	}
	return 0;
}
