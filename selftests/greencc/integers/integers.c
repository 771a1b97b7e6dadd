// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Addresses of locals on their way through integers, of whatever kind: each
 * function below goes wrong if the stack moves while one is on the way. Prints
 * what it computes; the stack moves before and after each.
 */
#include "other.h"
#include "../runtime.h"

#include <emmintrin.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long __attribute__((may_alias)) any_word;
typedef __int128 __attribute__((aligned(8))) wide;

struct element {
	int *p;
	long k;
};

struct element_pair {
	long k;
	int *p;
};

struct linked {
	long n;
	uintptr_t link;
};

static uintptr_t kept;
static uint32_t kept_half[2];
static struct element *heap;

#define MOVE() green_test_move()

/* -- passed to, and computed in, functions of one's own -- */

static NOINLINE uintptr_t align_up(uintptr_t p, uintptr_t to)
{
	return (p + to - 1) & ~(to - 1);
}

static NOINLINE long aligned(void)
{
	char buf[128];
	int *q;

	memset(buf, 0, sizeof(buf));
	q = (int *)align_up((uintptr_t)buf, 16);
	*q = 1;
	MOVE();
	*q += 6;
	MOVE();
	return *q * 10 + ((char *)q >= buf && (char *)q < buf + sizeof(buf));
}

static NOINLINE long aligned_elsewhere(void)
{
	char buf[128];
	int *q = (int *)other_align((uintptr_t)buf, 32);

	*q = 3;
	MOVE();
	*q += 4;
	return *q * 10 + ((char *)q >= buf && (char *)q < buf + sizeof(buf));
}

struct bump {
	uintptr_t at, end;
};

static NOINLINE void *bump_alloc(struct bump *b, size_t n, size_t align)
{
	uintptr_t p = (b->at + align - 1) & -align;

	if (p + n > b->end)
		return NULL;
	b->at = p + n;
	return (void *)p;
}

static NOINLINE long bump_allocator(void)
{
	char room[256];
	struct bump b = { (uintptr_t)room, (uintptr_t)room + sizeof(room) };
	int *v[4];
	long sum = 0;

	for (int i = 0; i < 4; i++) {
		v[i] = bump_alloc(&b, sizeof(int), 8);
		MOVE();
		*v[i] = i + 1;
	}
	MOVE();
	for (int i = 0; i < 4; i++)
		sum = sum * 10 + *v[i];
	return sum;
}

static NOINLINE uintptr_t larger(uintptr_t a, uintptr_t b)
{
	return a > b ? a : b;
}

static NOINLINE long largest(void)
{
	int v[2] = { 1, 1 };
	int *q = (int *)larger((uintptr_t)&v[0], (uintptr_t)&v[1]);

	MOVE();
	*q += 5;
	return v[0] * 10 + v[1];
}

static NOINLINE long returned(void)
{
	int x = 1;
	uintptr_t u = other_number(&x);

	MOVE();
	*(int *)u += 5;
	return x;
}

static NOINLINE long kept_elsewhere(void)
{
	int x = 1;

	other_keep(&x);
	MOVE();
	*other_kept() += 5;
	return x;
}

static NOINLINE void keeps(int *p)
{
	uintptr_t u = (uintptr_t)p;

	kept = u;
}

static NOINLINE long kept_here(void)
{
	int x = 1;

	keeps(&x);
	MOVE();
	*(int *)kept += 5;
	return x;
}

static NOINLINE long in_pair(void)
{
	int x = 1, y = 2;
	struct pair p = other_pair(&x, &y);

	MOVE();
	*(int *)p.a += 5;
	MOVE();
	*(int *)p.b += 5;
	return x * 10 + y;
}

static NOINLINE struct pair pair_up(const int *p, uintptr_t u)
{
	return (struct pair){ (uintptr_t)p, u + 4 };
}

static NOINLINE long in_own_pair(void)
{
	int x = 1, v[2] = { 2, 2 };
	struct pair p = pair_up(&x, (uintptr_t)v);

	MOVE();
	*(int *)p.a += 5;
	*(int *)p.b += 5;
	return x * 100 + v[0] * 10 + v[1];
}

static NOINLINE long by_vararg(void)
{
	int x = 1;
	uintptr_t u = other_vararg(2, (uintptr_t)0, (uintptr_t)&x);

	MOVE();
	*(int *)u += 5;
	return x;
}

/* -- in fields -- */

static NOINLINE void set_link(struct linked *s, int *p)
{
	s->link = (uintptr_t)p;
}

static NOINLINE uintptr_t take_link(struct linked *s)
{
	uintptr_t u = s->link;

	s->link = 0;
	return u;
}

static NOINLINE long in_field(void)
{
	int x = 1;
	struct linked s = { 0, 0 };
	uintptr_t u;

	set_link(&s, &x);
	u = take_link(&s);
	MOVE();
	*(int *)u += 5;
	return x;
}

static NOINLINE long filled_elsewhere(void)
{
	int x = 1;
	uintptr_t u = 0;

	other_fill(&u, &x);
	MOVE();
	*(int *)u += 5;
	return x;
}

struct request {
	int done;
};

struct operation {
	int code;
	uint64_t user_data;
};

struct ring {
	unsigned int n;
	struct operation q[8];
};

static NOINLINE void submit(struct ring *r, const struct operation *op)
{
	r->q[r->n].code = op->code;
	r->q[r->n++].user_data = op->user_data;
}

static NOINLINE void prepare(struct ring *r, struct request *q)
{
	struct operation op = { 1, (uint64_t)(uintptr_t)q };

	submit(r, &op);
}

static NOINLINE long user_data(void)
{
	struct ring *r = calloc(1, sizeof(*r));
	struct request q = { 0 };

	prepare(r, &q);
	MOVE();
	while (r->n)
		((struct request *)(uintptr_t)r->q[--r->n].user_data)->done++;
	free(r);
	return q.done;
}

static NOINLINE long in_array(int n)
{
	int x = 1;
	long v[8];

	for (int i = 0; i < 8; i++)
		v[i] = i;
	v[n] = (long)&x;
	kept = (uintptr_t)v[n & 7];
	for (int i = 0; i < 8; i++)
		v[i] = 0;
	MOVE();
	*(int *)kept += 5;
	return x;
}

struct packed_word {
	uint64_t address : 48;
	uint64_t tag : 16;
};

static NOINLINE long in_bits(void)
{
	int x = 1;
	struct packed_word w = { (uintptr_t)&x, 77 };
	volatile struct packed_word *p = &w;

	MOVE();
	*(int *)(uintptr_t)p->address += (int)p->tag;
	return x;
}

/* -- in disguise -- */

static NOINLINE long tagged(void)
{
	int x = 1;

	kept = (uintptr_t)&x | 1;
	MOVE();
	*(int *)(kept & ~1UL) += 5;
	return x;
}

struct colored {
	uintptr_t parent_color;
	int v;
};

static NOINLINE void set_color(struct colored *c, uintptr_t color)
{
	c->parent_color = (c->parent_color & ~3UL) | color;
}

static NOINLINE struct colored *parent(const struct colored *c)
{
	return (struct colored *)(c->parent_color & ~3UL);
}

static NOINLINE long colored_tree(void)
{
	struct colored top = { 0, 1 }, child = { (uintptr_t)&top, 2 }, *p;

	set_color(&child, 1);
	p = parent(&child);
	child.parent_color = 0;
	MOVE();
	p->v += 5;
	return top.v * 10 + child.v;
}

static NOINLINE long halves(void)
{
	int x = 1;
	struct half h = other_split(&x);

	MOVE();
	*(int *)((uintptr_t)h.hi << 32 | h.lo) += 5;
	return x;
}

static NOINLINE void keep_halves(const void *p)
{
	kept_half[0] = (uint32_t)(uintptr_t)p;
	MOVE();
	kept_half[1] = (uint32_t)((uintptr_t)p >> 32);
}

static NOINLINE long global_halves(void)
{
	int x = 1;

	keep_halves(&x);
	MOVE();
	*(int *)((uintptr_t)kept_half[1] << 32 | kept_half[0]) += 5;
	return x;
}

static NOINLINE long exclusive_or(void)
{
	int x = 1, y = 2;

	kept = (uintptr_t)&x ^ (uintptr_t)&y;
	MOVE();
	*(int *)(kept ^ (uintptr_t)&y) += 5;
	return x * 10 + y;
}

static NOINLINE uintptr_t scramble(uintptr_t u)
{
	u = u << 17 | u >> 47;
	return u * 0x9e3779b97f4a7c15;
}

static NOINLINE long scrambled(void)
{
	int x = 1;
	uintptr_t u = scramble((uintptr_t)&x);

	MOVE();
	u *= 0xf1de83e19937733d;	/* its inverse */
	*(int *)(u << 47 | u >> 17) += 5;
	return x;
}

static NOINLINE long as_text(void)
{
	char text[32];
	int x = 1;

	snprintf(text, sizeof(text), "%lx", (unsigned long)&x);
	MOVE();
	*(int *)strtoul(text, NULL, 16) += 5;
	return x;
}

static NOINLINE long as_text_of_pointer(void)
{
	char text[32];
	int x = 1;
	void *p;

	snprintf(text, sizeof(text), "%%%-20p", (void *)&x);
	MOVE();
	if (sscanf(text, "%%%p", &p) != 1)
		return 0;
	*(int *)p += 5;
	return x;
}

/* To itself, as programs do that wake their own loop. */
static NOINLINE long by_pipe(void)
{
	int x = 1, *p = &x, *q, fd[2];
	FILE *file = tmpfile();

	if (pipe(fd) || write(fd[1], &p, sizeof(p)) != sizeof(p))
		return 0;
	p = NULL;
	MOVE();
	if (read(fd[0], &q, sizeof(q)) != sizeof(q))
		return 0;
	*q += 5;
	MOVE();
	p = &x;
	q = NULL;
	if (fwrite(&p, sizeof(p), 1, file) != 1)
		return 0;
	p = NULL;
	MOVE();
	rewind(file);
	if (fread(&q, sizeof(q), 1, file) != 1)
		return 0;
	*q += 5;
	fclose(file);
	close(fd[0]);
	close(fd[1]);
	return x;
}

static NOINLINE long page_and_offset(void)
{
	int x = 1;
	uintptr_t page = (uintptr_t)&x & ~4095UL, offset = (uintptr_t)&x & 4095;

	MOVE();
	*(int *)(page + offset) += 5;
	return x;
}

static NOINLINE long from_null(void)
{
	int x = 1;
	uintptr_t u = (uintptr_t)&x;
	char *volatile null = NULL;

	MOVE();
	*(int *)(null + u) += 5;
	return x;
}

static NOINLINE unsigned int hash(const void *p)
{
	return (unsigned int)((uintptr_t)p >> 4) % 8191;
}

static NOINLINE long hashed(void)
{
	int v[2] = { 1, 2 };
	unsigned int a = hash(&v[0]);

	MOVE();
	return a == hash(&v[0]);
}

static NOINLINE long compared_later(void)
{
	int x = 1;
	uintptr_t u = (uintptr_t)&x;
	volatile int zero = 0;

	MOVE();
	x += zero;
	return u == (uintptr_t)&x;
}

static NOINLINE long counting(void)
{
	int v[4] = { 1, 2, 3, 4 };
	long sum = 0;

	for (uintptr_t a = (uintptr_t)v; a < (uintptr_t)(v + 4); a += sizeof(*v)) {
		MOVE();
		sum = sum * 10 + *(int *)a;
	}
	return sum;
}

/* -- copied, not by pointers -- */

#define COPY_BY(name, type)						\
static NOINLINE void copy_by_##name(void *to, const void *from, size_t n) \
{									\
	type *a = to;							\
	const type *b = from;						\
									\
	for (size_t i = 0; i < n / sizeof(type); i++)			\
		a[i] = b[i];						\
}									\
									\
static NOINLINE void keep_by_##name(struct element *to, int *p)		\
{									\
	struct element e = { p, 1 };					\
									\
	copy_by_##name(to, &e, sizeof(e));				\
}									\
									\
static NOINLINE long by_##name(void)					\
{									\
	int x = 10, y = 20;						\
	struct element v[2] = { { &x, 1 }, { &y, 2 } }, w[2];		\
									\
	copy_by_##name(w, v, sizeof(v));				\
	v[0].p = v[1].p = NULL;						\
	MOVE();								\
	*w[0].p += 1;							\
	*w[1].p += 2;							\
	keep_by_##name(heap, &y);					\
	MOVE();								\
	*heap->p += 30;							\
	return x * 100 + y;						\
}

COPY_BY(word, any_word)
COPY_BY(long, long)
COPY_BY(int, uint32_t)
COPY_BY(short, uint16_t)
COPY_BY(char, char)
COPY_BY(volatile_char, volatile unsigned char)
COPY_BY(double, double)
COPY_BY(float, float)
COPY_BY(int128, wide)

/* A call in the middle of a word. */
static NOINLINE void copy_slowly(void *to, const void *from, size_t n)
{
	uint32_t *a = to;
	const uint32_t *b = from;

	for (size_t i = 0; i < n / 4; i++) {
		a[i] = b[i];
		MOVE();
	}
}

static NOINLINE long by_halves_slowly(void)
{
	int x = 10, y = 20;
	struct element v[2] = { { &x, 1 }, { &y, 2 } }, w[2];

	copy_slowly(w, v, sizeof(v));
	v[0].p = v[1].p = NULL;
	MOVE();
	*w[0].p += 1;
	*w[1].p += 2;
	return x * 100 + y;
}

static NOINLINE long copied_elsewhere(void)
{
	int x = 10, y = 20;
	struct element v[2] = { { &x, 1 }, { &y, 2 } }, w[2];

	other_copy(w, v, sizeof(v));
	v[0].p = v[1].p = NULL;
	MOVE();
	*w[0].p += 1;
	*w[1].p += 2;
	return x * 100 + y;
}

static NOINLINE void copy_epi64(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		_mm_storeu_si128((__m128i *)((char *)to + i),
				 _mm_loadu_si128((const __m128i *)((const char *)from + i)));
}

static NOINLINE void copy_pd(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		_mm_storeu_pd((double *)((char *)to + i),
			      _mm_loadu_pd((const double *)((const char *)from + i)));
}

static NOINLINE void copy_ps(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i += 16)
		_mm_storeu_ps((float *)((char *)to + i),
			      _mm_loadu_ps((const float *)((const char *)from + i)));
}

static NOINLINE long by_sse(void (*copy)(void *, const void *, size_t))
{
	int x = 1;
	struct element_pair a = { 1, &x }, b;

	copy(heap, &a, sizeof(a));
	MOVE();
	*((struct element_pair *)heap)->p += 1;
	copy_epi64(&b, &a, sizeof(a));
	MOVE();
	*b.p += 10;
	copy_pd(&b, &a, sizeof(a));
	MOVE();
	*b.p += 100;
	copy_ps(&b, &a, sizeof(a));
	MOVE();
	*b.p += 1000;
	return x;
}

/* Sorts by exchanging bytes, as a qsort() of one's own does. */
static NOINLINE void exchange(void *a, void *b, size_t n)
{
	char *p = a, *q = b;

	while (n--) {
		char c = *p;

		*p++ = *q;
		*q++ = c;
	}
}

static NOINLINE long sorted(void)
{
	int x = 1, y = 2, z = 3;
	struct element v[3] = { { &z, 3 }, { &y, 2 }, { &x, 1 } };
	long sum = 0;

	for (int i = 0; i < 3; i++)
		for (int j = 0; j + 1 < 3; j++)
			if (v[j].k > v[j + 1].k)
				exchange(&v[j], &v[j + 1], sizeof(v[j]));
	MOVE();
	for (int i = 0; i < 3; i++)
		sum = sum * 10 + *v[i].p;
	return sum;
}

static NOINLINE long in_bytes(void)
{
	int x = 1, *p = &x, *q;
	char buf[24];
	uintptr_t u;

	memcpy(buf + 8, &p, sizeof(p));
	memcpy(&u, buf + 8, sizeof(u));
	memset(buf, 0, sizeof(buf));
	MOVE();
	*(int *)u += 5;
	p = &x;
	memcpy(buf + 3, &p, sizeof(p));
	MOVE();
	memcpy(&q, buf + 3, sizeof(q));
	*q += 5;
	return x;
}

/* In two pieces, with a move in between. */
static NOINLINE long in_pieces(void)
{
	int x = 1, *p = &x, *q;
	uint64_t word = 0;
	char *to = (char *)&word;
	volatile size_t three = 3;

	memcpy(to, &p, 4);
	MOVE();
	memcpy(to + 4, (char *)&p + 4, 4);
	p = NULL;
	memcpy(&q, &word, 8);
	word = 0;
	MOVE();
	*q += 5;
	p = &x;
	q = NULL;
	memcpy(&word, &p, three);
	MOVE();
	memcpy(to + three, (char *)&p + three, 8 - three);
	p = NULL;
	memcpy(&q, &word, 8);
	MOVE();
	*q += 5;
	return x;
}

/* The end of the copy is in the middle of a word. */
static NOINLINE long in_unequal_pieces(void)
{
	int x = 1;
	struct element_pair a = { 1, &x }, b = { 0 };

	memcpy(&b, &a, 12);
	__asm__ volatile("" : "+m"(a), "+m"(b));
	MOVE();
	memcpy((char *)&b + 12, (char *)&a + 12, 4);
	a.p = NULL;
	MOVE();
	*b.p += 5;
	return x;
}

struct padded {
	int v;
	char c;
};

static NOINLINE void load_into(void *to, void *const *from)
{
	memcpy(to, from, sizeof(*from));
}

/* A word that is padding in part. */
static NOINLINE long in_padding(void)
{
	int x = 1;
	void *p = &x;
	struct padded s;

	load_into(&s, &p);
	p = NULL;
	MOVE();
	load_into(&p, (void *)&s);
	*(int *)p += 5;
	return x;
}

/* Words that do not lie on words, put where they do, and back. */
static NOINLINE long off_by_four(void)
{
	int x = 1, *q;
	struct element_pair a = { 1, &x };
	uint64_t v[2];

	memcpy(v, (char *)&a + 4, 12);
	a.p = NULL;
	MOVE();
	memcpy(&q, (char *)v + 4, 8);
	*q += 5;
	return x;
}

static NOINLINE long by_unions(void)
{
	int x = 1;
	union word w = { .p = &x }, v;

	v.half[0] = w.half[0];
	v.half[1] = w.half[1];
	w.p = NULL;
	MOVE();
	*(int *)v.p += 5;
	w.d = v.d;
	v.p = NULL;
	kept = w.u;
	w.p = NULL;
	MOVE();
	*(int *)kept += 5;
	w.p = &x;
	v = other_union(w);
	w.p = NULL;
	MOVE();
	*(int *)v.u += 5;
	return x;
}

static NOINLINE long as_double(void)
{
	int x = 1, *p = &x;
	double d;

	memcpy(&d, &p, sizeof(d));
	p = NULL;
	d = other_double(d);
	MOVE();
	memcpy(&p, &d, sizeof(p));
	*p += 5;
	return x;
}

static NOINLINE long in_vector(void)
{
	int x = 1, y = 2;
	__m128i v = _mm_set_epi64x((long)&x, (long)&y);

	MOVE();
	*(int *)_mm_cvtsi128_si64(v) += 5;
	*(int *)_mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v)) += 5;
	return x * 10 + y;
}

static NOINLINE long in_int128(void)
{
	int x = 1, y = 2;
	unsigned __int128 v = (unsigned __int128)(uintptr_t)&x << 64 | (uintptr_t)&y;

	MOVE();
	*(int *)(uintptr_t)v += 5;
	*(int *)(uintptr_t)(v >> 64) += 5;
	return x * 10 + y;
}

/* -- atomically -- */

static NOINLINE uintptr_t swap_out(_Atomic uintptr_t *word)
{
	return atomic_exchange(word, 0);
}

static NOINLINE long exchanged(void)
{
	int x = 1;
	_Atomic uintptr_t word = (uintptr_t)&x;
	uintptr_t u = swap_out(&word);

	MOVE();
	*(int *)u += 5;
	return x;
}

static NOINLINE uintptr_t compare_out(_Atomic uintptr_t *word)
{
	uintptr_t old = 0;

	while (!atomic_compare_exchange_weak(word, &old, 0))
		;
	return old;
}

static NOINLINE long compared_out(void)
{
	int x = 1;
	_Atomic uintptr_t word = (uintptr_t)&x;
	uintptr_t u = compare_out(&word);

	MOVE();
	*(int *)u += 5;
	return x;
}

static NOINLINE long marked(void)
{
	int x = 1;
	_Atomic uintptr_t word = (uintptr_t)&x;
	uintptr_t u;

	atomic_fetch_or(&word, 1);
	u = atomic_fetch_xor(&word, (uintptr_t)&x) ^ 1;
	MOVE();
	*(int *)u += 5;
	return x;
}

/* -- in assembly -- */

static NOINLINE long hidden(void)
{
	int x = 1, *p = &x;
	uintptr_t u, v = (uintptr_t)&x;

	__asm__("" : "=r"(u) : "0"(p));
	__asm__ volatile("" : "+r"(v));
	MOVE();
	*(int *)u += 5;
	*(int *)v += 5;
	return x;
}

static NOINLINE long through_asm(void)
{
	int x = 1;
	uintptr_t u;

	__asm__ volatile("movq %1, %0" : "=r"(u) : "r"((uintptr_t)&x));
	MOVE();
	*(int *)u += 5;
	return x;
}

static NOINLINE long address_by_asm(void)
{
	int x = 1;
	uintptr_t u;

	__asm__ volatile("leaq %1, %0" : "=r"(u) : "m"(x));
	MOVE();
	*(int *)u += 5;
	__asm__ volatile("" : "+m"(x));
	return x;
}

#define TEST(call)				\
	do {					\
		MOVE();				\
		green_test_out(#call, call);	\
		MOVE();				\
	} while (0)

int test_main(void)
{
	heap = calloc(1, sizeof(*heap));
	TEST(aligned());
	TEST(aligned_elsewhere());
	TEST(bump_allocator());
	TEST(largest());
	TEST(returned());
	TEST(kept_elsewhere());
	TEST(kept_here());
	TEST(in_pair());
	TEST(in_own_pair());
	TEST(by_vararg());
	TEST(in_field());
	TEST(filled_elsewhere());
	TEST(user_data());
	TEST(in_array(3));
	TEST(in_bits());
	TEST(tagged());
	TEST(colored_tree());
	TEST(halves());
	TEST(global_halves());
	TEST(exclusive_or());
	TEST(scrambled());
	TEST(as_text());
	TEST(as_text_of_pointer());
	TEST(by_pipe());
	TEST(page_and_offset());
	TEST(from_null());
	TEST(hashed());
	TEST(compared_later());
	TEST(counting());
	TEST(by_word());
	TEST(by_long());
	TEST(by_int());
	TEST(by_short());
	TEST(by_char());
	TEST(by_volatile_char());
	TEST(by_double());
	TEST(by_float());
	TEST(by_int128());
	TEST(by_halves_slowly());
	TEST(copied_elsewhere());
	TEST(by_sse(copy_epi64));
	TEST(by_sse(copy_pd));
	TEST(by_sse(copy_ps));
	TEST(sorted());
	TEST(in_bytes());
	TEST(in_pieces());
	TEST(in_unequal_pieces());
	TEST(in_padding());
	TEST(off_by_four());
	TEST(by_unions());
	TEST(as_double());
	TEST(in_vector());
	TEST(in_int128());
	TEST(exchanged());
	TEST(compared_out());
	TEST(marked());
	TEST(hidden());
	TEST(through_asm());
	TEST(address_by_asm());
	free(heap);
	return 0;
}
