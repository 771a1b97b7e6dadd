/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The clock that deadlines and sleeps are in. */
#include <green.h>
#include <time.h>

uint64_t green_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
