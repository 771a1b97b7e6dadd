/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * greencc: clang for code whose stacks can be relocated.
 *
 * A C file goes through clang with the plugin greenpass.so to assembly, through
 * greenmap, which checks it and writes the pointer maps, and through clang's
 * assembler. Everything else is clang's: other inputs and linking are handed on
 * unchanged.
 *
 *   -fno-green-growth	leave out the stack checks on entry
 *   -fgreen-all-mapped	functions of other files have such checks too, unless
 *			they are the C library's
 *   -fno-builtin-NAME	a function of that name is not the C library's; and calls of
 *			it go by that name alone, which --wrap and the like change
 *   -Wno-green-depth	say nothing of stacks that are measured by addresses
 *   --explain file.c	list the functions that cannot move, and why:
 *			file:line: function: reason
 */
#define _GNU_SOURCE
#include "driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options opt;

static void find_own_directory(void)
{
	ssize_t n = readlink("/proc/self/exe", opt.dir, sizeof(opt.dir) - 1);
	char *slash;

	if (n < 0)
		die("/proc/self/exe: %s", strerror(errno));
	opt.dir[n] = '\0';
	slash = strrchr(opt.dir, '/');
	*slash = '\0';
}

int main(int argc, char **argv)
{
	struct list args = { 0 };

	opt.clang = getenv("GREENCC_CLANG") ? getenv("GREENCC_CLANG") : DEFAULT_CLANG;
	find_own_directory();
	for (int i = 1; i < argc; i++)
		expand(&args, argv[i]);
	parse(&args);
	if (opt.stop_early)
		return clang_alone();
	if (opt.refusal)
		die("%s", opt.refusal);
	if (!opt.inputs.n && (opt.other_inputs || !opt.explain))
		return clang_alone();
	if (!opt.inputs.n)
		die("no input files");
	begin_steps();
	if (opt.explain) {
		for (size_t i = 0; i < opt.inputs.n; i++)
			compile_to_object(opt.inputs.v[i], opt.languages.v[i],
					  opt.inputs.v[i], opt.inputs.v[i]);
		return 0;
	}
	if (opt.compile_only && opt.other_inputs)
		die("compile C files and other inputs in separate calls");
	return opt.compile_only || opt.to_assembly ? compile_only() : compile_and_link();
}
