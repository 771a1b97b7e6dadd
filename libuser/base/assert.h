/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Invariants that a debug build (make test-debug) checks, and others believe. */
#ifndef GREEN_BASE_ASSERT_H
#define GREEN_BASE_ASSERT_H

#include "base/fail.h"

#include <stddef.h>

#ifdef GREEN_CHECKS
#define green_assert(condition)						\
	do {								\
		if (!(condition))					\
			green_die(NULL, "%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
	} while (0)
#else
#define green_assert(condition)	((void)sizeof(!(condition)))
#endif

#endif
