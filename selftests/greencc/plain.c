// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The reference: the same programs on a stack that stays. */
#include "runtime.h"

#include <stdio.h>

void green_test_move(void)
{
}

void green_test_out(const char *what, long value)
{
	printf("%s %ld\n", what, value);
}

int main(void)
{
	return test_main();
}
