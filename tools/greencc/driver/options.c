/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The command line. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the options -------------------------------------------------------------- */

enum {
	BEGINS = 1,	/* with anything behind it, too */
	VALUE = 2,	/* the next argument is its value, if nothing is behind it */
	LINK = 4,	/* for linking only */
	TAKEN = 8,	/* neither for compiling nor for linking */
	OWN = 16,	/* nor for clang */
	OFF = 32,	/* clears what the others set */
};

static const char frames[] = "it changes frames behind the maps";
static const char calls[] = "it puts calls where no map is";
static const char thunks[] = "calls through thunks cannot be mapped";
static const char link_time[] = "link-time optimisation would undo the pointer maps";
static const char other_bits[] = "only x86-64 code can be mapped";

static const struct {
	const char *name;
	unsigned int kind;
	bool *set;		/* or NULL */
	const char *why;	/* it cannot be; or NULL */
} known[] = {
	/* Clang is not told of these. */
	{ "-fno-green-growth", OWN, .set = &opt.no_growth },
	{ "-fgreen-all-mapped", OWN, .set = &opt.all_mapped },
	{ "-Wno-green-depth", OWN, .set = &opt.no_warn_depth },
	{ "-Wgreen-depth", OWN | OFF, .set = &opt.no_warn_depth },
	{ "--explain", OWN, .set = &opt.explain },
	{ "--green-verbose", OWN, .set = &opt.verbose },
	{ "-save-temps", OWN, .set = &opt.save_temps },
	/* What is to be made. */
	{ "-c", TAKEN, .set = &opt.compile_only },
	{ "-S", TAKEN, .set = &opt.to_assembly },
	{ "-MD", .set = &opt.deps },
	{ "-MMD", .set = &opt.deps },
	{ "-E", .set = &opt.stop_early },
	{ "-M", .set = &opt.stop_early },
	{ "-MM", .set = &opt.stop_early },
	{ "-fsyntax-only", .set = &opt.stop_early },
	{ "--version", .set = &opt.stop_early },
	{ "-###", .set = &opt.stop_early },
	{ "--analyze", .set = &opt.stop_early },
	{ "-dumpversion", .set = &opt.stop_early },
	{ "-dumpmachine", .set = &opt.stop_early },
	{ "--help", .set = &opt.stop_early },
	{ "-print-", BEGINS, .set = &opt.stop_early },
	{ "--print-", BEGINS, .set = &opt.stop_early },
	/* What has a value, and what is for linking only. */
	{ "-I", .kind = VALUE },
	{ "-D", .kind = VALUE },
	{ "-U", .kind = VALUE },
	{ "-L", .kind = VALUE | LINK | BEGINS },
	{ "-l", .kind = VALUE | LINK | BEGINS },
	{ "-include", .kind = VALUE },
	{ "-imacros", .kind = VALUE },
	{ "-isystem", .kind = VALUE },
	{ "-iquote", .kind = VALUE },
	{ "-idirafter", .kind = VALUE },
	{ "-iprefix", .kind = VALUE },
	{ "-iwithprefix", .kind = VALUE },
	{ "-isysroot", .kind = VALUE },
	{ "-Xclang", .kind = VALUE },
	{ "-Xlinker", .kind = VALUE | LINK },
	{ "-Xassembler", .kind = VALUE },
	{ "-Xpreprocessor", .kind = VALUE },
	{ "-mllvm", .kind = VALUE },
	{ "-target", .kind = VALUE },
	{ "-arch", .kind = VALUE },
	{ "-u", .kind = VALUE | LINK },
	{ "-z", .kind = VALUE | LINK },
	{ "-T", .kind = VALUE | LINK | BEGINS },
	{ "-e", .kind = VALUE | LINK },
	{ "-A", .kind = VALUE },
	{ "--param", .kind = VALUE },
	{ "-rpath", .kind = VALUE | LINK },
	{ "--sysroot", .kind = VALUE },
	{ "-B", .kind = VALUE },
	{ "-Xanalyzer", .kind = VALUE },
	{ "-MF", .kind = VALUE },
	{ "-MT", .kind = VALUE },
	{ "-MQ", .kind = VALUE },
	{ "-MJ", .kind = VALUE },
	{ "-o", .kind = VALUE },
	{ "-x", .kind = VALUE },
	{ "-plugin", .kind = VALUE },
	{ "-include-pch", .kind = VALUE },
	{ "-iwithsysroot", .kind = VALUE },
	{ "-ivfsoverlay", .kind = VALUE },
	{ "-serialize-diagnostics", .kind = VALUE },
	{ "--serialize-diagnostics", .kind = VALUE },
	{ "-shared", .kind = LINK },
	{ "-static", .kind = LINK },
	{ "-static-pie", .kind = LINK },
	{ "-pie", .kind = LINK },
	{ "-no-pie", .kind = LINK },
	{ "-rdynamic", .kind = LINK },
	{ "-s", .kind = LINK },
	{ "-nostdlib", .kind = LINK },
	{ "-nodefaultlibs", .kind = LINK },
	{ "-nostartfiles", .kind = LINK },
	{ "-r", .kind = LINK },
	{ "-static-libgcc", .kind = LINK },
	{ "-Wl,", .kind = LINK | BEGINS },
	{ "-fuse-ld", .kind = LINK | BEGINS },
	/* What cannot be. */
	{ "-flto", BEGINS, .why = link_time },
	{ "-ffat-lto", BEGINS, .why = link_time },
	{ "-fembed-bitcode", BEGINS, .why = link_time },
	{ "-emit-llvm", BEGINS, .why = "maps are made of assembly" },
	{ "-masm=intel", BEGINS, .why = "the maps are checked on AT&T assembly" },
	{ "-fsanitize=", BEGINS, .why = frames },
	{ "-fsanitize-coverage", BEGINS, .why = calls },
	{ "-fmemory-profile", BEGINS, .why = calls },
	{ "-fxray-instrument", BEGINS, .why = calls },
	{ "-mfentry", BEGINS, .why = calls },
	{ "-femulated-tls", BEGINS, .why = calls },
	{ "-fsplit-stack", BEGINS, .why = frames },
	{ "-fbasic-block-sections", BEGINS, .why = frames },
	{ "-fsplit-machine-functions", BEGINS, .why = frames },
	{ "-mspeculative-load-hardening", BEGINS, .why = frames },
	{ "-mretpoline", BEGINS, .why = thunks },
	{ "-mlvi-cfi", BEGINS, .why = thunks },
	{ "-mlvi-hardening", BEGINS, .why = thunks },
	{ "-mseses", BEGINS, .why = thunks },
	{ "-m32", BEGINS, .why = other_bits },
	{ "-mx32", BEGINS, .why = other_bits },
	{ "-m16", BEGINS, .why = other_bits },
};
#define NR_KNOWN (sizeof(known) / sizeof(known[0]))

static bool is(const char *a, size_t i)
{
	return known[i].kind & BEGINS ? starts(a, known[i].name) : !strcmp(a, known[i].name);
}

static unsigned int kinds_of(const char *a)
{
	unsigned int kinds = 0;

	for (size_t i = 0; i < NR_KNOWN; i++)
		if (is(a, i))
			kinds |= known[i].kind & ~(strcmp(a, known[i].name) ? VALUE : 0);
	return kinds;
}

bool takes_value(const char *a)
{
	return kinds_of(a) & VALUE;
}

static void set(const char *a)
{
	for (size_t i = 0; i < NR_KNOWN; i++)
		if (known[i].set && is(a, i))
			*known[i].set = !(known[i].kind & OFF);
}

/* What is no matter where clang compiles nothing: the first reason counts. */
static void cannot(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void cannot(const char *fmt, ...)
{
	va_list ap;

	if (opt.refusal)
		return;
	va_start(ap, fmt);
	if (vasprintf(&opt.refusal, fmt, ap) < 0)
		abort();
	va_end(ap);
}

static void refuse(const char *a, const char *value)
{
	for (size_t i = 0; i < NR_KNOWN; i++)
		if (known[i].why && is(a, i))
			cannot("%s is not supported: %s", a, known[i].why);
	if (!strcmp(a, "-Xclang") && starts(value, "-disable-llvm-"))
		cannot("%s is not supported: the maps are made by a pass", value);
}

/* ---- inputs --------------------------------------------------------------- */

static bool is_cxx(const char *name)
{
	static const char *const ext[] = {
		".cc", ".cpp", ".cxx", ".C", ".c++", ".mm", ".m", ".ii", NULL,
	};

	return one_of(extension(name), ext);
}

static bool is_c(const char *name)
{
	static const char *const ext[] = { ".c", ".i", NULL };

	return one_of(extension(name), ext);
}

static void language(const char *name)
{
	static const char *const languages[] = {
		"c", "cpp-output", "c-header", "assembler", "assembler-with-cpp", NULL,
	};

	opt.language = strcmp(name, "none") ? name : NULL;
	if (opt.language && !one_of(name, languages))
		cannot("-x %s: only C is supported", name);
}

static bool reads_as_c(const char *name)
{
	if (opt.language)
		return !strcmp(opt.language, "c") || !strcmp(opt.language, "cpp-output");
	return is_c(name);
}

static void input(const char *name)
{
	/* What clang would read as C behind our back must not go unmapped. */
	if (name[0] == '@')
		cannot("%s: cannot be read", name);
	else if (!opt.language && !strcmp(name, "-"))
		cannot("-: standard input needs -x c or -E");
	else if (!opt.language && is_cxx(name))
		cannot("%s: only C is supported", name);
	if (reads_as_c(name)) {
		push(&opt.inputs, name);
		push(&opt.languages, opt.language ? opt.language : "none");
		push(&opt.link, name);
		return;
	}
	opt.other_inputs = true;
	if (opt.language) {
		push(&opt.link, "-x");
		push(&opt.link, opt.language);
	}
	push(&opt.link, name);
	if (opt.language) {
		push(&opt.link, "-x");
		push(&opt.link, "none");
	}
}

/* ---- in order ------------------------------------------------------------- */

/* An option with its value, which is NULL if it has none of its own. */
static void option(const char *a, const char *value)
{
	refuse(a, value);
	if (!strcmp(a, "-o")) {
		opt.output = value;
	} else if (!strcmp(a, "-x")) {
		language(value);
	} else if (starts(a, "-x")) {
		language(a + 2);
	} else if (!strcmp(a, "-MF")) {
		opt.dep_file = value;
	} else if (!strcmp(a, "-MT") || !strcmp(a, "-MQ")) {
		opt.dep_target = value;
		push(&opt.compile, a);
		push(&opt.compile, value);
	} else if (kinds_of(a) & TAKEN) {
		return;
	} else if (kinds_of(a) & LINK) {
		push(&opt.link, a);
		if (value)
			push(&opt.link, value);
	} else {
		push(&opt.compile, a);
		/* Warnings about unused dependency options would come from linking. */
		if (!starts(a, "-M"))
			push(&opt.link, a);
		if (value) {
			push(&opt.compile, value);
			push(&opt.link, value);
		}
	}
}

bool is_option(const char *a)
{
	for (size_t i = 0; i < opt.all.n; i++)
		if (!strcmp(opt.all.v[i], a))
			return true;
	return false;
}

void parse(const struct list *args)
{
	for (size_t i = 0; i < args->n; i++) {
		const char *a = args->v[i];
		const char *value = NULL;

		set(a);
		if (kinds_of(a) & OWN)
			continue;
		/* The function of that name is the program's own. */
		if (starts(a, "-fno-builtin-"))
			opt.not_libc = format("%s not-libc=%s", opt.not_libc ? opt.not_libc : "",
					      a + strlen("-fno-builtin-"));
		push(&opt.all, a);
		if (takes_value(a)) {
			if (i + 1 == args->n)
				die("%s needs a value", a);
			value = args->v[++i];
			push(&opt.all, value);
		}
		if (a[0] != '-' || !a[1])
			input(a);
		else if (starts(a, "-o") && a[2])
			opt.output = a + 2;
		else
			option(a, value);
	}
}
