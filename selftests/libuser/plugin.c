// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Maps of libraries that come and go. Built by greencc, like the libraries. */
#include <dlfcn.h>
#include <green.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"

/* Of the library; not for the public. */
uint32_t green_map_flags(const void *func);

struct frame;
typedef long plugged_fn(long n, const struct frame *up, void (*at_end)(void));

static struct {
	unsigned int moves, refusals, same_address;
	long wrong, still_mapped, not_mapped;
} seen;

static void move_me(void)
{
	if (green_stack_move(green_self(), 0, NULL))
		seen.refusals++;
	else
		seen.moves++;
}

/* Not on the stack, which would be pinned by dlopen() then. */
static const char *library(int variant)
{
	static char self[PATH_MAX], path[PATH_MAX + 16];

	memset(self, 0, sizeof(self));
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		snprintf(path, sizeof(path), "%s/plugged%d.so", dirname(self), variant);
	return path;
}

static const void *last;

static void use(int variant)
{
	void *lib = dlopen(library(variant), RTLD_NOW | RTLD_LOCAL);
	plugged_fn *fn;

	if (!lib) {
		fprintf(stderr, "# %s\n", dlerror());
		seen.wrong++;
		return;
	}
	fn = (plugged_fn *)dlsym(lib, "plugged");
	seen.not_mapped += !green_map_flags((const void *)fn);
	seen.same_address += (const void *)fn == last;
	seen.wrong += fn(20, NULL, move_me) != 210 * variant;
	last = (const void *)fn;
	dlclose(lib);
	seen.still_mapped += green_map_flags(last) != 0;
}

static int both(void *arg)
{
	for (int i = 0; i < 50; i++) {
		use(60);
		use(90);
	}
	return 0;
}

TEST(libraries_that_come_and_go)
{
	static const struct green_options opt = { ALONE, .stack_size = 1 << 20 };

	/* What was not adjusted is to be missed. */
	setenv("GREEN_DEBUG", "seal", 1);
	EXPECT_EQ(0, green_run(&opt, both, NULL));
	EXPECT_EQ(0, seen.wrong);
	EXPECT_EQ(0, seen.not_mapped);
	EXPECT_EQ(0, seen.still_mapped);
	EXPECT_EQ(100, seen.moves);
	EXPECT_EQ(0, seen.refusals);
	/* Else the cache of calls was never asked for an address of another. */
	EXPECT_LT(0, seen.same_address);
}

TEST_HARNESS_MAIN
