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

/* ---- packed records --------------------------------------------------- */

static const uint8_t body[] = {
	0, 0, 0, 0,			/* the function: here */
	64,				/* bytes of code */
	GREEN_MAP_VERIFIED | GREEN_MAP_ARGS | GREEN_MAP_LOCALS,
	'f', 0,
	5, 0x65, 0x01,			/* arguments */
	3,				/* locals: */
	1 << 3 | GREEN_WORD_POINTER, 0x7f,
	(25 << 3 & 0x7f) | 0x80, 25 << 3 >> 7, 0x80, 0x7f, 9, 1, 2, 0, /* a bitmap */
	2 << 3 | GREEN_BASE_RSP << 2 | GREEN_WORD_AMBIGUOUS, 4,
	9, 0, 1, 1, 1, 1, 1, 1, 1, 0x81, 0x01,			/* slots */
	2, 10, 0x01, 0x01, 0xc8, 0x00, 0xff, 0x01,		/* safepoints */
};

/* nr times the body, with zeros behind it. */
struct packed {
	struct green_map_pack head;
	uint8_t data[2 * sizeof(body) + 64];
};

static struct packed packed(uint32_t nr)
{
	struct packed p = { { 0, GREEN_MAP_PACKED, nr }, { 0 } };
	uint32_t i;

	for (i = 0; i < nr; i++)
		memcpy(p.data + i * sizeof(body), body, sizeof(body));
	p.head.size = (sizeof(p.head) + nr * sizeof(body) + 3) / 4 * 4;
	return p;
}

static int offer_packed(const struct packed *p)
{
	return offer(p, p->head.size);
}

/* With one byte of the first body changed. */
static int offer_changed(size_t at, uint8_t byte)
{
	struct packed p = packed(1);

	p.data[at] = byte;
	return offer_packed(&p);
}

TEST(packed_records_are_taken)
{
	struct packed p;
	uint32_t nr;

	for (nr = 0; nr <= 2; nr++) {
		p = packed(nr);
		EXPECT_EQ(0, offer_packed(&p));
	}
}

TEST(both_kinds_stand_in_one_set)
{
	struct {
		struct record plain;
		struct packed packed;
		struct record last;
	} set = { good(), packed(2), good() };

	set.packed.head.size = sizeof(set.packed);
	EXPECT_EQ(-EINVAL, offer(&set, sizeof(set)));	/* zeros, but too many */
	set.packed = packed(2);
	memmove((char *)&set.packed + set.packed.head.size, &set.last, sizeof(set.last));
	EXPECT_EQ(0, offer(&set, sizeof(set.plain) + set.packed.head.size +
			   sizeof(set.last)));
}

/* Wherever it is cut off, with all of the set or with its head put right. */
TEST(truncated_packed_records_are_refused)
{
	struct packed p = packed(2);
	size_t n, whole = p.head.size;

	for (n = 1; n < whole; n++)
		EXPECT_EQ(-EINVAL, offer(&p, n));
	for (n = 0; n < whole; n += 4) {
		p.head.size = n;
		EXPECT_EQ(-EINVAL, offer(&p, n ?: whole));
	}
	/* Every number of bytes, by the function's own count. */
	for (n = 0; n < sizeof(body); n++) {
		p = packed(1);
		p.head.size = (sizeof(p.head) + n) / 4 * 4;
		if (p.head.size < sizeof(p.head) + sizeof(body))
			EXPECT_EQ(-EINVAL, offer_packed(&p));
	}
}

TEST(malformed_packed_records_are_refused)
{
	struct packed p = packed(1);
	size_t i;

	for (i = sizeof(body); i < p.head.size - sizeof(p.head); i++)
		EXPECT_EQ(-EINVAL, offer_changed(i, 1));
	p.head.nr_funcs = 2;
	EXPECT_EQ(-EINVAL, offer_packed(&p));
	p.head.nr_funcs = 0xffffffff;
	EXPECT_EQ(-EINVAL, offer_packed(&p));
	p.head.nr_funcs = 0;
	EXPECT_EQ(-EINVAL, offer_packed(&p));
	p = packed(1);
	p.head.version = 3;
	EXPECT_EQ(-EINVAL, offer_packed(&p));
	p = packed(1);
	p.head.size += 4;		/* more than the zeros that align it */
	EXPECT_EQ(-EINVAL, offer_packed(&p));
	p = packed(1);
	p.head.size--;
	EXPECT_EQ(-EINVAL, offer_packed(&p));
	EXPECT_EQ(-EINVAL, offer_changed(8, 0x7f));		/* arguments */
	EXPECT_EQ(-EINVAL, offer_changed(11, 0x7f));		/* locals */
	EXPECT_EQ(-EINVAL, offer_changed(12, 1 << 3 | 3));	/* no such kind */
	EXPECT_EQ(-EINVAL, offer_changed(18, 0));		/* period */
	EXPECT_EQ(-EINVAL, offer_changed(18, 0x7f));
	EXPECT_EQ(-EINVAL, offer_changed(sizeof(body) - 8, 0x7f)); /* safepoints */
	/* A number of six bytes; a name without an end. */
	p = packed(1);
	memset(p.data + 4, 0x80, 5);
	EXPECT_EQ(-EINVAL, offer_packed(&p));
	memset(p.data, 1, sizeof(p.data));
	EXPECT_EQ(-EINVAL, offer_packed(&p));
}

/* Whatever the bytes are: no crash, and nothing read outside. */
TEST(random_packed_records)
{
	struct packed p;
	unsigned int seed = 1, i, j;

	for (i = 0; i < 200000; i++) {
		p = packed(2);
		for (j = 0; j < 1 + i % 4; j++) {
			seed = seed * 1103515245 + 12345;
			p.data[(seed >> 16) % (2 * sizeof(body))] = seed >> 8;
		}
		offer_packed(&p);
	}
}

TEST_HARNESS_MAIN
