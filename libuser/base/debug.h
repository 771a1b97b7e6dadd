/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* GREEN_DEBUG, and traces. */
#ifndef GREEN_BASE_DEBUG_H
#define GREEN_BASE_DEBUG_H

#include "base/runtime.h"

int green_debug_parse(struct green_debug *d, const char *s);
static inline bool green_traces(unsigned int level)
{
	return green_rt.debug.trace >= level;
}
void green_trace_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define green_trace(level, ...)						\
	do {								\
		if (green_traces(level))				\
			green_trace_line(__VA_ARGS__);			\
	} while (0)

#endif
