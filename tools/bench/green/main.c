// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* green, as ../rows.py has it measured. */
#include <errno.h>

#include "bench_green.h"

int run_green(const struct green_options *opt, int (*fn)(void *), void *arg)
{
	static const struct green_options one = { .workers = 1 };
	int err = green_run(opt ?: &one, fn, arg);

	/* Without io_uring there is nothing to measure; libgreen has said why. */
	return err == -ENOSYS || err == -EPERM ? BENCH_SKIP : err ? 1 : 0;
}

green_t *go_or_die(void (*fn)(void *), void *arg)
{
	green_t *t = green_go(fn, arg);

	if (!t)
		exit(1);
	return t;
}

int main(int argc, char **argv)
{
	static const struct bench benches[] = {
		{ "yield", bench_yield },
		{ "spawn", bench_spawn },
		{ "alive", bench_alive },
		{ "work", bench_work },
		{ "message", bench_message },
		{ "sieve", bench_sieve },
		{ "parked", bench_parked },
		{ "sleepers", bench_sleepers },
		{ "move", bench_move },
		{ "growth", bench_growth },
		{ "echo", bench_echo },
		{ NULL, NULL }
	};

	return bench_main(benches, argc, argv);
}
