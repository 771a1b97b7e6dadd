/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What integers.c has in another mapped file: nothing here is seen from there. */
#ifndef GREENCC_TEST_OTHER_H
#define GREENCC_TEST_OTHER_H

#include <stdint.h>

struct pair {
	uintptr_t a, b;
};

struct half {
	uint32_t lo, hi;
};

union word {
	void *p;
	uintptr_t u;
	double d;
	uint32_t half[2];
	unsigned char byte[8];
};

void other_keep(int *p);
int *other_kept(void);
uintptr_t other_align(uintptr_t p, uintptr_t to);
uintptr_t other_number(const int *p);
struct pair other_pair(const int *p, const int *q);
struct half other_split(const void *p);
union word other_union(union word w);
double other_double(double d);
void other_copy(void *to, const void *from, unsigned int n);
uintptr_t other_vararg(int n, ...);
void other_fill(uintptr_t *word, const int *p);

#endif
