/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* For programs without libgreen: greencc links it with the stubs, which call for it. */
#include "ways.h"

const char green_ways_checked __attribute__((visibility("hidden"))) = 1;

static void __attribute__((constructor)) check(void)
{
	green_ways_check();
}
