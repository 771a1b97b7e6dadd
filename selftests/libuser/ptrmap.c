// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Sets of maps that a language runtime brings: taken whole, or not at all. */
#include <errno.h>
#include <green_ptrmap.h>
#include <string.h>

#include "kselftest_harness.h"

struct record {
	struct green_map_func f;
	struct green_map_local l;
	uint32_t bitmap;
	struct green_map_safepoint s;
	int32_t slot;
};

static char code[64];

static struct record good(void)
{
	static struct record r;

	r = (struct record){
		.f = { .size = sizeof(r), .version = GREEN_MAP_VERSION,
		       .code_size = sizeof(code), .flags = GREEN_MAP_VERIFIED,
		       .nr_locals = 1, .nr_safepoints = 1 },
		.l = { .size = 8, .period = 1 },
		.bitmap = GREEN_WORD_POINTER,
		.s = { .offset = 10, .nr_slots = 1 },
	};
	return r;
}

static int offer(const void *start, size_t len)
{
	struct green_ptrmap_set set = { start, (const char *)start + len };
	int err = green_ptrmap_register(&set);

	if (!err)
		green_ptrmap_unregister(&set);
	return err;
}

TEST(a_good_set_comes_and_goes)
{
	struct record r[2] = { good(), good() };
	struct green_ptrmap_set set = { r, r + 2 };

	EXPECT_EQ(0, green_ptrmap_register(&set));
	EXPECT_EQ(-EEXIST, green_ptrmap_register(&set));
	EXPECT_EQ(0, green_ptrmap_unregister(&set));
	EXPECT_EQ(-ENOENT, green_ptrmap_unregister(&set));
}

TEST(malformed_records_are_refused)
{
	struct record r;

	r = good();
	EXPECT_EQ(0, offer(&r, sizeof(r)));
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r) - 4));
	EXPECT_EQ(-EINVAL, offer(&r, 8));
	EXPECT_EQ(-EINVAL, offer((char *)&r + 2, sizeof(r) - 2));
	r.f.version++;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.f.size -= 4;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.f.size = 0;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.f.nr_args = 0xffffffff;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.f.nr_locals = 2;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.f.nr_safepoints = 0xffffffff;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.l.period = 0;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.l.period = 0xffffffff;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.l.base = 2;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
	r = good();
	r.s.nr_slots = 2;
	EXPECT_EQ(-EINVAL, offer(&r, sizeof(r)));
}

TEST_HARNESS_MAIN
