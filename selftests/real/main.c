// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Runs an unchanged program's main() as a green thread: link the program with
 * this file, libgreen, and -Wl,--wrap=__libc_start_main. At its end, by return
 * or exit(), the counts of moves and refusals are appended to the file that
 * GREEN_REAL_STATS names. GREEN_REAL_STACK is the bytes of its first stack.
 *
 * To be compiled with -fno-green-growth, lest its own functions move stacks.
 */
#include <errno.h>
#include <green.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int main_fn(int argc, char **argv, char **envp);
typedef void hook_fn(void);

int __real___libc_start_main(main_fn *fn, int argc, char **argv, hook_fn *init,
			     hook_fn *fini, hook_fn *rtld_fini, void *stack_end);
int __wrap___libc_start_main(main_fn *fn, int argc, char **argv, hook_fn *init,
			     hook_fn *fini, hook_fn *rtld_fini, void *stack_end);

static struct {
	main_fn *main;
	int argc;
	char **argv, **envp;
} program;

static void report(void)
{
	/* Not on the stack, so that this function is none that cannot move. */
	static struct green_stats s;
	static struct green_nomove what;
	const char *name = getenv("GREEN_REAL_STATS");
	uint64_t refused = 0, n;
	FILE *f;

	if (!name || green_stats(&s) || !(f = fopen(name, "a")))
		return;
	for (int i = 0; i < GREEN_NOMOVE_REASONS; i++)
		refused += s.refused[i];
	fprintf(f, "moves %" PRIu64 " refused %" PRIu64 " words %" PRIu64 " bytes %" PRIu64
		" segments %" PRIu64 "\n", s.moves_kernel + s.moves_copy, refused,
		s.words_adjusted, s.moved_bytes, s.segments);
	for (unsigned int i = 0; (n = green_refusal(i, &what)); i++)
		fprintf(f, "refusal %" PRIu64 " %s %s\n", n, green_nomove_name(what.reason),
			what.function[0] ? what.function : "?");
	fclose(f);
}

static int start(void *unused)
{
	(void)unused;
	/* Within the thread: after green_run() the counts are gone. */
	exit(program.main(program.argc, program.argv, program.envp));
}

static int main_on_green(int argc, char **argv, char **envp)
{
	/* As large as a process's first stack, for what cannot move to grow. */
	static struct green_options opt = {
		.stack_size = 8 << 20,
		.max_stack = 64 << 20,
		.workers = 1,
	};
	const char *size = getenv("GREEN_REAL_STACK");
	int err;

	if (size)
		opt.stack_size = strtoul(size, NULL, 0);
	program.argc = argc;
	program.argv = argv;
	program.envp = envp;
	if (atexit(report))
		return 125;
	err = green_run(&opt, start, NULL);
	fprintf(stderr, "green_run: %s\n", strerror(-err));
	return 125;
}

int __wrap___libc_start_main(main_fn *fn, int argc, char **argv, hook_fn *init,
			     hook_fn *fini, hook_fn *rtld_fini, void *stack_end)
{
	program.main = fn;
	return __real___libc_start_main(main_on_green, argc, argv, init, fini, rtld_fini,
					stack_end);
}
