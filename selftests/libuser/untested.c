// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Mapped code that does not test its stack: built with -fno-green-growth. */
#include <green.h>

#include "foreign.h"

void untested_stack_info(void *info)
{
	if (!green_stack_move(green_self(), 1024, NULL))
		green_stack_info(green_self(), info);
}
