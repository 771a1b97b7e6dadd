// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Environment:
 *   GREEN_TEST_STATS=file	where the counts go at the end
 *   GREEN_TEST_SKIP=n		leave out one adjustment in n, which must be noticed
 *   GREEN_TEST_STACK=bytes	size of the first stack; entry checks are on then
 *   GREEN_TEST_RECORDS=1	print the functions' names and reasons instead
 */
#define _GNU_SOURCE
#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../include/green_ptrmap.h"

extern const char __start_green_maps[], __stop_green_maps[];
extern const char run_on_stack_return[];
int run_on_stack(void *top, int (*fn)(void));

#define MAX_RELOCS	(1 << 20)
#define KEPT		64	/* old stacks that stay unreadable */

static char *lo, *hi;
static uint64_t **relocs;
static size_t nr_relocs;
static unsigned long moves, refusals, adjusted, skip;
static struct { char *p; size_t n; } old_stacks[KEPT];

struct map {
	const struct green_map_func *f;
	const uint8_t *args;
	const char *locals;
	const int32_t *slots;
	uint32_t nr_slots;
};

static void fail(const char *what)
{
	fprintf(stderr, "runtime: %s\n", what);
	exit(99);
}

/* Skips the locals; the records are not random access. */
static const char *skip_local(const char *p)
{
	const struct green_map_local *l = (const void *)p;

	return p + sizeof(*l) + (2 * (size_t)l->period + 31) / 32 * 4;
}

static int find_in(const struct green_map_func *f, uint32_t offset, struct map *m)
{
	const char *p = (const char *)(f + 1);

	m->f = f;
	p += (f->nr_args + 3) / 4 * 4;
	m->locals = p;
	for (uint32_t i = 0; i < f->nr_locals; i++)
		p = skip_local(p);
	for (uint32_t i = 0; i < f->nr_safepoints; i++) {
		const struct green_map_safepoint *sp = (const void *)p;

		m->slots = (const int32_t *)(sp + 1);
		m->nr_slots = sp->nr_slots;
		if (sp->offset == offset)
			return 1;
		p = (const char *)(m->slots + sp->nr_slots);
	}
	if (p != (const char *)f + f->size)
		fail("a record's size is wrong");
	return 0;
}

static int find(const char *pc, struct map *m)
{
	const char *p = __start_green_maps;

	while (p < __stop_green_maps) {
		const struct green_map_func *f = (const void *)p;
		const char *func = (const char *)&f->func + f->func;

		if (f->version != GREEN_MAP_VERSION)
			fail("a record's version is wrong");
		if (pc > func && pc <= func + f->code_size &&
		    find_in(f, pc - func, m))
			return 1;
		p += f->size;
	}
	return 0;
}

static int in_stack(uint64_t v)
{
	return v >= (uint64_t)lo && v < (uint64_t)hi;
}

static void relocate(uint64_t *word)
{
	if (!in_stack(*word))
		return;
	if (nr_relocs == MAX_RELOCS)
		fail("too many relocations");
	relocs[nr_relocs++] = word;
}

/* Returns 0 if an ambiguous word looks like a stack address. */
static int collect_local(const struct green_map_local *l, char *base)
{
	const uint32_t *bits = (const void *)(l + 1);
	uint64_t *words = (uint64_t *)(base + l->offset);

	for (uint32_t i = 0; i < l->size / 8; i++) {
		uint32_t w = i % l->period;
		uint32_t kind = bits[w / 16] >> (w % 16 * 2) & 3;

		if (kind == GREEN_WORD_SCALAR)
			continue;
		if ((uint64_t)words % 8)
			fail("a local is misaligned");
		if (kind == GREEN_WORD_POINTER)
			relocate(&words[i]);
		else if (in_stack(words[i]))
			return 0;
	}
	return 1;
}

static int collect_frame(const struct map *m, char *rsp, char *rbp)
{
	const char *p = m->locals;

	for (uint32_t i = 0; i < m->nr_slots; i++)
		relocate((uint64_t *)(rsp + m->slots[i]));
	for (uint32_t i = 0; i < m->f->nr_locals; i++) {
		const struct green_map_local *l = (const void *)p;

		if (!collect_local(l, l->base == GREEN_BASE_RSP ? rsp : rbp))
			return 0;
		p = skip_local(p);
	}
	return 1;
}

static void refused(const char *why, const struct map *m)
{
	refusals++;
	if (getenv("GREEN_TEST_VERBOSE"))
		fprintf(stderr, "refused: %s %s\n", why,
			m ? (const char *)&m->f->name + m->f->name : "");
}

static int collect(char *frame)
{
	nr_relocs = 0;
	for (;;) {
		uint64_t *rbp = (uint64_t *)frame;
		const char *pc = (const char *)rbp[1];
		struct map m;

		relocate(&rbp[0]);
		if (pc == run_on_stack_return)
			return 1;
		if (!find(pc, &m)) {
			refused("no map", NULL);
			return 0;
		}
		if (!(m.f->flags & GREEN_MAP_VERIFIED)) {
			refused("not verified", &m);
			return 0;
		}
		if (!collect_frame(&m, frame + 16, (char *)rbp[0])) {
			refused("ambiguous", &m);
			return 0;
		}
		frame = (char *)rbp[0];
	}
}

static int by_address(const void *a, const void *b)
{
	uint64_t *x = *(uint64_t **)a, *y = *(uint64_t **)b;

	return (x > y) - (x < y);
}

/* Two maps may name one word. */
static void adjust(ptrdiff_t delta)
{
	qsort(relocs, nr_relocs, sizeof(*relocs), by_address);
	for (size_t i = 0; i < nr_relocs; i++) {
		if (i && relocs[i] == relocs[i - 1])
			continue;
		if (skip && ++adjusted % skip == 0)
			continue;
		*(uint64_t *)((char *)relocs[i] + delta) += delta;
	}
}

static void retire(char *p, size_t n)
{
	static size_t next;

	if (mprotect(p, n, PROT_NONE))
		fail("mprotect");
	if (old_stacks[next].p)
		munmap(old_stacks[next].p, old_stacks[next].n);
	old_stacks[next].p = p;
	old_stacks[next].n = n;
	next = (next + 1) % KEPT;
}

static void set_limit(char *limit)
{
	__asm__ volatile("movq %0, %%fs:0x70" : : "r"(limit));
}

/* Room below the limit for the frame that finds out, and for the move. */
#define SLACK 8192

void *move_stack(char *sp, uint64_t grow)
{
	size_t size = hi - lo, need = size;
	char *to, *old = lo;
	ptrdiff_t delta;

	if (grow)
		for (need = size * 2; need - size < grow - 1 + SLACK; need *= 2)
			;
	if (!collect(sp + 40)) {
		if (grow)
			fail("the stack cannot grow");
		return sp;
	}
	to = mmap(NULL, need, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (to == MAP_FAILED)
		fail("mmap");
	delta = to + need - hi;
	memcpy(sp + delta, sp, hi - sp);
	adjust(delta);
	retire(old, size);
	lo = to;
	hi = to + need;
	if (getenv("GREEN_TEST_STACK"))
		set_limit(lo + SLACK);
	moves++;
	return sp + delta;
}

void green_test_out(const char *what, long value)
{
	printf("%s %ld\n", what, value);
}

static int print_records(void)
{
	static const char *const why[] = {
		"VERIFIED", "RETURNS_TWICE", "ESCAPE", "INTEGER", "AGGREGATE",
		"VARARGS", "DYNAMIC", "CONTROL", "CODEGEN",
	};

	for (const char *p = __start_green_maps; p < __stop_green_maps;) {
		const struct green_map_func *f = (const void *)p;

		printf("%s %s\n", (const char *)&f->name + f->name,
		       why[GREEN_MAP_WHY(f->flags)]);
		p += f->size;
	}
	return 0;
}

static void write_stats(void)
{
	const char *name = getenv("GREEN_TEST_STATS");
	FILE *f = name ? fopen(name, "w") : NULL;

	if (f) {
		fprintf(f, "moves=%lu refusals=%lu\n", moves, refusals);
		fclose(f);
	}
}

int main(void)
{
	const char *s = getenv("GREEN_TEST_STACK");
	size_t size = s ? strtoul(s, NULL, 0) : 1 << 20;
	int rc;

	if (getenv("GREEN_TEST_RECORDS"))
		return print_records();
	setvbuf(stdout, NULL, _IONBF, 0);
	if (getenv("GREEN_TEST_SKIP"))
		skip = strtoul(getenv("GREEN_TEST_SKIP"), NULL, 0);
	relocs = malloc(MAX_RELOCS * sizeof(*relocs));
	lo = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!relocs || lo == MAP_FAILED)
		fail("no memory");
	hi = lo + size;
	if (s)
		set_limit(lo + SLACK);
	/* Leave the top words alone: nothing of the program lies at hi. */
	rc = run_on_stack(hi - 64, test_main);
	set_limit(NULL);
	write_stats();
	return rc;
}
