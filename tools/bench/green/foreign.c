// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Compiled by gcc: code that greencc knows nothing of. */
#include "bench_green.h"

unsigned long compute(long turns)
{
	unsigned long x = (unsigned long)turns;

	while (turns-- > 0) {
		x = x * 6364136223846793005u + 1;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

void loop_foreign(void *loop)
{
	struct worker_loop *l = loop;

	while (!__atomic_load_n(l->over, __ATOMIC_RELAXED)) {
		compute(l->turns);
		green_yield();
		l->rounds++;
	}
}
