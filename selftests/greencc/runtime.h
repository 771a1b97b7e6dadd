/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the test programs are linked with: a mover of stacks that knows nothing
 * but the rbp chain and section green_maps.
 */
#ifndef GREENCC_TEST_RUNTIME_H
#define GREENCC_TEST_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* The program; runs on a stack that can move. */
int test_main(void);

/* Moves the stack to fresh memory and takes the old one away. */
void green_test_move(void);

/* Why that was refused, and by which function; "" if it was not. */
const char *green_test_refused(void);

/* Prints a line. */
void green_test_out(const char *what, long value);

#define NOINLINE __attribute__((noinline))

#endif
