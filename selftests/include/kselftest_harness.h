/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's harness, whose limit for each test is in seconds of a fast machine:
 * here it is multiplied by GREEN_TEST_PACE, which run.sh has from tools/pace.
 */
#ifndef GREEN_KSELFTEST_HARNESS_H
#define GREEN_KSELFTEST_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdlib.h>
#include <unistd.h>

/* How many times longer than elsewhere a test may take here; at least 1. */
static inline unsigned int test_pace(void)
{
	const char *pace = getenv("GREEN_TEST_PACE");
	int n = pace ? atoi(pace) : 1;

	return n > 0 ? n : 1;
}

/* GREEN_TEST_LIMIT: seconds for tests that are to fail, by hanging perhaps. */
static inline unsigned int test_alarm(unsigned int seconds)
{
	const char *limit = getenv("GREEN_TEST_LIMIT");
	int most = limit ? atoi(limit) : 0;

	if (most > 0 && seconds > (unsigned int)most)
		seconds = most;
	return alarm(seconds * test_pace());
}

#define alarm(seconds) test_alarm(seconds)
#include_next <kselftest_harness.h>
#undef alarm

#endif /* GREEN_KSELFTEST_HARNESS_H */
