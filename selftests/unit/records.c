// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The reader of records of pointer maps. Random functions are written in both forms, and
 * both must say what was written; then the records are damaged, and the reader may say
 * no or yes, but must not look beyond them: it is built with the sanitizers, and each
 * record lies in memory of its own size.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maps/record.h"
#include "maps/registry.h"
#include "maps/site.h"

#include "kselftest_harness.h"
#include "random.h"

#define MAX_ARGS	12
#define MAX_LOCALS	6
#define MAX_PERIOD	40
#define MAX_SLOTS	20
#define MAX_CALLS	8
#define MAX_FUNCS	5

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=1";
}

/* What a function's record says, in neither form. */
struct function {
	uint32_t code_size, flags;
	uint32_t nr_args, nr_locals, nr_slots, nr_calls;
	uint8_t arg[MAX_ARGS];
	struct {
		uint32_t base, words, period;
		int32_t offset;			/* in words */
		uint8_t kind[MAX_PERIOD];
	} local[MAX_LOCALS];
	uint32_t slot[MAX_SLOTS];		/* in words from rsp, ascending */
	struct {
		uint32_t offset;
		uint32_t slots;			/* a bit each */
	} call[MAX_CALLS];
};

static void make_local(struct random *r, struct function *f, unsigned int i)
{
	uint32_t k, period = 1 + random_below(r, MAX_PERIOD);

	f->local[i].base = random_below(r, 2);
	f->local[i].offset = (int)random_below(r, 2000) - 1000;
	f->local[i].words = 1 + random_below(r, 100);
	f->local[i].period = period;
	for (k = 0; k < period; k++)
		f->local[i].kind[k] = random_below(r, 3);
	/* Not all SCALAR: the packed form leaves those out. */
	f->local[i].kind[0] = 1 + random_below(r, 2);
}

static struct function make_function(struct random *r)
{
	struct function f = {
		.code_size = 64 + random_below(r, 4000),
		.flags = random_below(r, 1 << 18),
		.nr_args = random_below(r, MAX_ARGS + 1),
		.nr_locals = random_below(r, MAX_LOCALS + 1),
		.nr_slots = random_below(r, MAX_SLOTS + 1),
		.nr_calls = random_below(r, MAX_CALLS + 1),
	};
	uint32_t i, at = 0;

	for (i = 0; i < f.nr_args; i++)
		f.arg[i] = random_below(r, 4);
	for (i = 0; i < f.nr_locals; i++)
		make_local(r, &f, i);
	for (i = 0; i < f.nr_slots; i++)
		f.slot[i] = at += 1 + random_below(r, 200);
	for (i = 0, at = 0; i < f.nr_calls; i++) {
		f.call[i].offset = at += 1 + random_below(r, 300);
		f.call[i].slots = random_next(r) & ((1U << f.nr_slots) - 1);
	}
	return f;
}

/* ---- writing --------------------------------------------------------------- */

struct buffer {
	uint8_t *p;
	size_t len, room;
};

static void put(struct buffer *b, const void *bytes, size_t n)
{
	while (b->len + n > b->room) {
		b->room = 2 * b->room + 64;
		b->p = realloc(b->p, b->room);
	}
	memcpy(b->p + b->len, bytes, n);
	b->len += n;
}

static void put_zeros(struct buffer *b, size_t align)
{
	while (b->len % align)
		put(b, "", 1);
}

static void put_uleb(struct buffer *b, uint32_t v)
{
	uint8_t byte;

	do {
		byte = (v & 0x7f) | (v > 0x7f ? 0x80 : 0);
		put(b, &byte, 1);
	} while (v >>= 7);
}

static void put_sleb(struct buffer *b, int32_t v)
{
	uint8_t byte;
	bool more;

	do {
		byte = v & 0x7f;
		v >>= 7;
		more = !((v == 0 && !(byte & 0x40)) || (v == -1 && byte & 0x40));
		byte |= more ? 0x80 : 0;
		put(b, &byte, 1);
	} while (more);
}

static void put_bits(struct buffer *b, const uint8_t *kind, uint32_t n, size_t align)
{
	for (uint32_t i = 0; i < n; i += 4) {
		uint8_t byte = 0;

		for (uint32_t k = i; k < n && k < i + 4; k++)
			byte |= kind[k] << k % 4 * 2;
		put(b, &byte, 1);
	}
	put_zeros(b, align);
}

/* Code lies a fixed distance from the record: nobody looks at it. */
#define CODE	0x100000

static void put_plain(struct buffer *b, const struct function *f, uint32_t nr)
{
	size_t start = b->len;
	struct green_map_func head = {
		.version = GREEN_MAP_VERSION, .code_size = f->code_size, .flags = f->flags,
		.func = CODE * (nr + 1), .name = 0,
		.nr_args = f->nr_args, .nr_locals = f->nr_locals, .nr_safepoints = f->nr_calls,
	};
	uint32_t i, k;

	put(b, &head, sizeof(head));
	put(b, f->arg, f->nr_args);
	put_zeros(b, 4);
	for (i = 0; i < f->nr_locals; i++) {
		struct green_map_local l = {
			f->local[i].base, 8 * f->local[i].offset, 8 * f->local[i].words,
			f->local[i].period,
		};

		put(b, &l, sizeof(l));
		put_bits(b, f->local[i].kind, f->local[i].period, 4);
	}
	for (i = 0; i < f->nr_calls; i++) {
		struct green_map_safepoint s = {
			f->call[i].offset, __builtin_popcount(f->call[i].slots),
		};

		put(b, &s, sizeof(s));
		for (k = 0; k < f->nr_slots; k++) {
			int32_t slot = 8 * f->slot[k];

			if (f->call[i].slots >> k & 1)
				put(b, &slot, sizeof(slot));
		}
	}
	((struct green_map_func *)(b->p + start))->size = b->len - start;
}

static bool is_uniform(const struct function *f, unsigned int i)
{
	for (uint32_t k = 1; k < f->local[i].period; k++)
		if (f->local[i].kind[k] != f->local[i].kind[0])
			return false;
	return true;
}

static void put_packed_function(struct buffer *b, const struct function *f, uint32_t nr)
{
	int32_t func = CODE * (nr + 1);
	uint32_t i, at = 0;

	put(b, &func, 4);
	put_uleb(b, f->code_size);
	put_uleb(b, f->flags);
	put(b, "name", 5);
	put_uleb(b, f->nr_args);
	put_bits(b, f->arg, f->nr_args, 1);
	put_uleb(b, f->nr_locals);
	for (i = 0; i < f->nr_locals; i++) {
		unsigned int kind = is_uniform(f, i) ? f->local[i].kind[0] : 0;

		put_uleb(b, f->local[i].words << 3 | f->local[i].base << 2 | kind);
		put_sleb(b, f->local[i].offset);
		if (kind)
			continue;
		put_uleb(b, f->local[i].period);
		put_bits(b, f->local[i].kind, f->local[i].period, 1);
	}
	put_uleb(b, f->nr_slots);
	for (i = 0; i < f->nr_slots; at = f->slot[i++])
		put_uleb(b, f->slot[i] - at);
	put_uleb(b, f->nr_calls);
	for (i = 0, at = 0; i < f->nr_calls; at = f->call[i++].offset) {
		put_uleb(b, f->call[i].offset - at);
		put(b, &f->call[i].slots, (f->nr_slots + 7) / 8);
	}
}

static void put_pack(struct buffer *b, const struct function *f, uint32_t nr)
{
	size_t start = b->len;
	struct green_map_pack head = { .version = GREEN_MAP_PACKED, .nr_funcs = nr };
	uint32_t i;

	put(b, &head, sizeof(head));
	for (i = 0; i < nr; i++)
		put_packed_function(b, &f[i], i);
	put_zeros(b, 4);
	((struct green_map_pack *)(b->p + start))->size = b->len - start;
}

/* A set in memory of its own size, so that what lies behind it is not to be touched. */
static struct green_ptrmap_set exact(const struct buffer *b, size_t len)
{
	uint8_t *p = malloc(len ? len : 1);

	memcpy(p, b->p, len);
	return (struct green_ptrmap_set){ p, p + len };
}

/* ---- reading ---------------------------------------------------------------- */

static unsigned int kind_of_word(const struct green_words *w, uint32_t i)
{
	uint32_t at = i % w->period;

	return w->bits[at / 4] >> at % 4 * 2 & 3;
}

/* A number made of all that is said of a call. */
static uint64_t digest(const struct green_words *w, uint32_t nr)
{
	uint64_t sum = nr;

	for (uint32_t i = 0; i < nr; i++) {
		sum = sum * 31 + w[i].offset;
		sum = sum * 31 + w[i].nr + (w[i].base << 20);
		/* Who goes round it would not end. */
		if (!w[i].period)
			abort();
		/* Of damaged ones, which may claim 2^29 words, no more than a period. */
		for (uint32_t k = 0; k < w[i].nr && k < w[i].period; k++)
			sum = sum * 31 + kind_of_word(&w[i], k);
	}
	return sum;
}

/* Ask all there is to ask of a function. */
static uint64_t ask(const struct green_function *f)
{
	uint64_t sum = 0;
	struct green_map m;

	green_record_map(f, &m);
	/* The plain form has only where it is, which nobody can check. */
	sum = m.packed ? strlen(m.name) : 0;
	for (unsigned int i = 0; i < m.nr_args; i++)
		sum = sum * 31 + green_map_arg(&m, i);
	for (uint32_t at = 0; at < 3000; at++) {
		const uint8_t *call = green_map_safepoint(&m, at);
		struct green_words *words;

		if (!call)
			continue;
		words = calloc(green_map_max_words(&m, call), sizeof(*words));
		sum = sum * 31 + digest(words, green_map_words(&m, call, words));
		free(words);
	}
	return sum;
}

static uint64_t read_all(const struct green_ptrmap_set *set, long *nr)
{
	struct green_function *f;
	uint64_t sum = 0;

	*nr = green_records_read(set, NULL);
	if (*nr < 0)
		return 0;
	f = malloc(*nr * sizeof(*f) + 1);
	if (green_records_read(set, f) != *nr)
		abort();
	for (long i = 0; i < *nr; i++)
		sum = sum * 31 + ask(&f[i]);
	free(f);
	return sum;
}

/* ---- the tests -------------------------------------------------------------- */

static bool has_word(const struct green_words *w, uint32_t nr, uint32_t base, int64_t offset,
		     unsigned int kind)
{
	for (uint32_t i = 0; i < nr; i++)
		if (w[i].base == base && offset >= w[i].offset &&
		    offset < w[i].offset + 8 * (int64_t)w[i].nr &&
		    kind_of_word(&w[i], (offset - w[i].offset) / 8) == kind)
			return true;
	return false;
}

static unsigned int wrong_words(const struct function *f, unsigned int call,
				const struct green_words *w, uint32_t nr)
{
	unsigned int wrong = 0;
	uint32_t i, k;

	for (i = 0; i < f->nr_slots; i++)
		if (f->call[call].slots >> i & 1)
			wrong += !has_word(w, nr, GREEN_BASE_RSP, 8 * f->slot[i],
					   GREEN_WORD_POINTER);
	for (i = 0; i < f->nr_locals; i++)
		for (k = 0; k < f->local[i].words; k++)
			wrong += !has_word(w, nr, f->local[i].base, 8 * (f->local[i].offset + (int)k),
					   f->local[i].kind[k % f->local[i].period]);
	return wrong;
}

/* How much of what was written is not found again. */
static unsigned int wrong(const struct function *f, const struct green_function *got)
{
	struct green_words w[MAX_SLOTS + MAX_LOCALS];
	struct green_map m;
	unsigned int n = 0, i;

	green_record_map(got, &m);
	n += m.code_size != f->code_size || got->code_size != f->code_size;
	n += m.flags != f->flags || got->flags != f->flags || m.nr_args != f->nr_args;
	for (i = 0; i < f->nr_args; i++)
		n += green_map_arg(&m, i) != f->arg[i];
	n += green_map_arg(&m, f->nr_args) != GREEN_ARG_OTHER;
	for (i = 0; i < f->nr_calls; i++) {
		const uint8_t *call = green_map_safepoint(&m, f->call[i].offset);

		if (!call || green_map_max_words(&m, call) > MAX_SLOTS + MAX_LOCALS)
			n++;
		else
			n += wrong_words(f, i, w, green_map_words(&m, call, w));
	}
	n += green_map_safepoint(&m, 0) != NULL;
	return n;
}

TEST(what_was_written_is_read_in_both_forms)
{
	struct random r = { 1 };

	for (int round = 0; round < 300; round++) {
		uint32_t i, nr = 1 + random_below(&r, MAX_FUNCS);
		struct function f[MAX_FUNCS];
		struct green_function got[2 * MAX_FUNCS];
		struct buffer b = { 0 };
		struct green_ptrmap_set set;

		for (i = 0; i < nr; i++) {
			f[i] = make_function(&r);
			put_plain(&b, &f[i], i);
		}
		put_pack(&b, f, nr);
		set = exact(&b, b.len);
		ASSERT_EQ(2 * nr, green_records_read(&set, NULL));
		ASSERT_EQ(2 * nr, green_records_read(&set, got));
		for (i = 0; i < 2 * nr; i++)
			ASSERT_EQ(0, wrong(&f[i % nr], &got[i]))
				TH_LOG("round %d, function %u", round, i);
		free((void *)set.start);
		free(b.p);
	}
}

static long count(const struct buffer *b)
{
	struct green_ptrmap_set set = exact(b, b->len);
	long nr = green_records_read(&set, NULL);

	free((void *)set.start);
	return nr;
}

static long count_plain_local(uint32_t base, uint32_t period)
{
	struct green_map_func head = {
		.version = GREEN_MAP_VERSION, .nr_locals = 1, .size = sizeof(head) +
		sizeof(struct green_map_local) + (period + 15) / 16 * 4,
	};
	struct green_map_local l = { .base = base, .size = 8, .period = period };
	struct buffer b = { 0 };
	long nr;

	put(&b, &head, sizeof(head));
	put(&b, &l, sizeof(l));
	put(&b, "\1\0\0\0", (period + 15) / 16 * 4);
	nr = count(&b);
	free(b.p);
	return nr;
}

/* @bytes: of a packed record, from the name on. */
static long count_packed(const char *bytes, size_t n)
{
	struct green_map_pack head = {
		.version = GREEN_MAP_PACKED, .nr_funcs = 1, .size = (sizeof(head) + 6 + n + 3) / 4 * 4,
	};
	struct buffer b = { 0 };
	long nr;

	put(&b, &head, sizeof(head));
	put(&b, "\1\1\1\1\1\1", 6);
	put(&b, bytes, n);
	put_zeros(&b, 4);
	nr = count(&b);
	free(b.p);
	return nr;
}

TEST(claims_that_nothing_could_be_done_with_are_refused)
{
	EXPECT_EQ(1, count_plain_local(GREEN_BASE_RSP, 1));
	EXPECT_EQ(-EINVAL, count_plain_local(GREEN_BASE_RSP + 1, 1));
	EXPECT_EQ(-EINVAL, count_plain_local(GREEN_BASE_RSP, 0));
	/* name, 1 argument, 1 local: 1 word, at 1, with a bitmap: of 1; 1 slot; 1 call */
	EXPECT_EQ(1, count_packed("f\0\1\1\1\x08\1\1\1\1\1\1\1\1", 14));
	EXPECT_EQ(-EINVAL, count_packed("f\0\1\1\1\x0b\1\1\1\1\1\1\1\1", 14));
	/* ... of no word */
	EXPECT_EQ(-EINVAL, count_packed("f\0\1\1\1\x08\1\0\1\1\1\1\1", 13));
	/* a name that does not end; all behind it would do */
	EXPECT_EQ(-EINVAL, count_packed("\5\1\1\1\x08\1\1\1\2\1\1\1\1\1", 14));
}

static void damage(struct random *r, uint8_t *p, size_t len)
{
	static const uint32_t words[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc };
	size_t at = random_below(r, len);

	switch (random_below(r, 4)) {
	case 0:
		p[at] ^= 1 << random_below(r, 8);
		break;
	case 1:
		p[at] = random_next(r);
		break;
	case 2:
		memcpy(p + at / 4 * 4, &words[random_below(r, 6)], 4);
		break;
	case 3:
		memset(p + at, 0xff, len - at < 6 ? len - at : 6);
		break;
	}
}

TEST(damaged_records_are_read_within_their_bounds)
{
	struct random r = { 2 };
	unsigned int taken = 0, refused = 0;

	for (int round = 0; round < 12000; round++) {
		struct function f[MAX_FUNCS];
		uint32_t i, nr = 1 + random_below(&r, 2);
		struct buffer b = { 0 };
		struct green_ptrmap_set set;
		size_t len;
		long got;

		for (i = 0; i < nr; i++)
			f[i] = make_function(&r);
		if (random_below(&r, 2))
			put_pack(&b, f, nr);
		else
			put_plain(&b, f, 0);
		for (i = 1 + random_below(&r, 3); i; i--)
			damage(&r, b.p, b.len);
		len = random_below(&r, 4) ? b.len : random_below(&r, b.len + 1);
		/* A size that fits what is left of it: so that more than the first test is met. */
		if (len >= 8 && random_below(&r, 2))
			*(uint32_t *)b.p = len & ~3U;
		set = exact(&b, len);
		read_all(&set, &got);
		taken += got >= 0;
		refused += got < 0;
		ASSERT_TRUE(got >= 0 || got == -EINVAL);
		free((void *)set.start);
		free(b.p);
	}
	/* Both are met, often. */
	EXPECT_LT(1000, taken);
	EXPECT_LT(1000, refused);
}

TEST(random_bytes_are_read_within_their_bounds)
{
	struct random r = { 3 };

	for (int round = 0; round < 20000; round++) {
		uint32_t head[2] = { 4 * random_below(&r, 40), 1 + random_below(&r, 2) };
		struct buffer b = { 0 };
		struct green_ptrmap_set set;
		long got;

		put(&b, head, sizeof(head));
		while (b.len < head[0]) {
			/* Small numbers, for the most part, or all is refused at once. */
			uint8_t byte = random_below(&r, 8) ? random_below(&r, 4) : random_next(&r);

			put(&b, &byte, 1);
		}
		set = exact(&b, b.len);
		read_all(&set, &got);
		ASSERT_TRUE(got >= 0 || got == -EINVAL);
		free((void *)set.start);
		free(b.p);
	}
}

TEST(a_function_is_found_by_each_of_its_bytes)
{
	struct green_sites *sites = NULL;
	const struct green_site *site;
	struct function f[2];
	struct buffer b = { 0 };
	struct green_ptrmap_set set;
	struct green_map m;
	struct random r = { 4 };
	const char *code;

	do {
		f[0] = make_function(&r);
		f[1] = make_function(&r);
	} while (!f[0].nr_calls || f[0].call[0].offset < 2 || f[0].call[0].offset > f[0].code_size);
	put_pack(&b, f, 2);
	set = exact(&b, b.len);
	code = (const char *)set.start + sizeof(struct green_map_pack) + CODE;
	EXPECT_FALSE(green_map_find(code, &m));
	ASSERT_EQ(0, green_ptrmap_register(&set));
	EXPECT_FALSE(green_map_find(code - 1, &m));
	EXPECT_TRUE(green_map_find(code, &m));
	EXPECT_TRUE(green_map_find(code + f[0].code_size - 1, &m));
	EXPECT_FALSE(green_map_find(code + f[0].code_size, &m));
	EXPECT_EQ(f[0].flags | GREEN_MAPPED, green_map_flags(code + 5));
	EXPECT_EQ(f[0].flags | GREEN_MAPPED, green_map_flags_of(code));
	EXPECT_EQ(0, green_map_flags_of(code + 5));
	/* A call, asked twice: decoded, and remembered; then it is forgotten. */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, green_map_site(&sites, code + f[0].call[0].offset, &site));
		EXPECT_TRUE(site->mapped);
	}
	ASSERT_EQ(0, green_map_site(&sites, code + f[0].call[0].offset - 1, &site));
	EXPECT_FALSE(site->mapped);
	EXPECT_EQ(0, green_ptrmap_unregister(&set));
	EXPECT_EQ(-ENOENT, green_map_site(&sites, code + f[0].call[0].offset, &site));
	green_sites_free(sites);
}

TEST_HARNESS_MAIN
