/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Stacks that were large once. */
#ifndef GREEN_STACK_SHRINK_H
#define GREEN_STACK_SHRINK_H

#include <stdint.h>

void green_shrink_some(unsigned int n);
/* A worker goes to rest: the same; when it is to come again, or 0. */
uint64_t green_shrink_rest(unsigned int n);

#endif
