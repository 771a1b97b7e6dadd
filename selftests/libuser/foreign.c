// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include "foreign.h"

void foreign_call(void (*fn)(void *), void *arg)
{
	fn(arg);
	/* Not a tail call: the frame has to be there. */
	__asm__ volatile("" ::: "memory");
}

void foreign_count(int *p)
{
	++*p;
}
