/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Linking, and what is clang's alone. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdlib.h>
#include <string.h>

/*
 * A shared library registers its maps, and a program that may load some lets them
 * find libgreen. Programs without libgreen run as if clang had compiled them.
 */
static void link_options(struct list *cmd)
{
	/* The last ones it has in the place of others'. */
	static const char *const exported[] = {
		"green_*", "longjmp", "_longjmp", "siglongjmp", "__longjmp_chk", "_Unwind_SetIP",
	};

	if (is_option("-r") || is_option("-nostdlib"))
		return;
	/* With --gc-sections it drops what is found by its section's name: the maps. */
	if (is_option("-fuse-ld=lld"))
		push(cmd, "-Wl,-z,nostart-stop-gc");
	if (is_option("-shared"))
		push(cmd, format("%s/greenshared.o", opt.dir));
	else if (!is_option("-static") && !is_option("-static-pie") &&
		 !is_option("-fuse-ld=gold"))
		for (size_t i = 0; i < sizeof(exported) / sizeof(exported[0]); i++)
			push(cmd, format("-Wl,--export-dynamic-symbol=%s", exported[i]));
	/* Last: what libgreen has is not taken from there. */
	push(cmd, format("%s/libgreenstubs.a", opt.dir));
}

/* Each C file is replaced by its object, in its place among the others. */
int compile_and_link(void)
{
	struct list cmd = { 0 };
	size_t next = 0;

	push(&cmd, opt.clang);
	for (size_t i = 0; i < opt.link.n; i++) {
		const char *a = opt.link.v[i];
		char *name, *object;

		if (a[0] == '-' && takes_value(a)) {
			push(&cmd, a);
			push(&cmd, opt.link.v[++i]);
			continue;
		}
		if (next == opt.inputs.n || strcmp(a, opt.inputs.v[next])) {
			push(&cmd, a);
			continue;
		}
		name = format("%zu-%s", i, base_name(a, ".o"));
		object = temporary(name);
		free(name);
		compile_to_object(a, opt.languages.v[next++], object,
				  opt.output ? opt.output : base_name(a, ".o"));
		push(&cmd, object);
		free(object);
	}
	link_options(&cmd);
	push(&cmd, "-Wno-unused-command-line-argument");
	if (opt.output) {
		push(&cmd, "-o");
		push(&cmd, opt.output);
	}
	return run(&cmd);
}

int clang_alone(void)
{
	struct list cmd = { 0 };

	push(&cmd, opt.clang);
	push_all(&cmd, &opt.all);
	if (opt.other_inputs && !opt.stop_early && !opt.compile_only && !opt.to_assembly)
		link_options(&cmd);
	return run(&cmd);
}
