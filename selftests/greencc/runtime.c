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

#include "../../include/green/abi.h"
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
	const char *func, *name;
	uint32_t code_size, flags;
	const uint8_t *args, *locals, *slots, *live;
	uint32_t nr_args, nr_locals, nr_slots;
};

static void fail(const char *what)
{
	fprintf(stderr, "runtime: %s\n", what);
	exit(99);
}

static int64_t leb(const uint8_t **p, int is_signed)
{
	int64_t value = 0;
	int shift = 0;

	do
		value |= (int64_t)(**p & 0x7f) << shift;
	while (shift += 7, *(*p)++ & 0x80);
	return is_signed && (*p)[-1] & 0x40 ? value - (1LL << shift) : value;
}

/* Reads the function at @p; m->live is the map of the call @offset, or NULL. */
static const uint8_t *read_function(const uint8_t *p, long offset, struct map *m)
{
	uint32_t nr, at = 0;

	m->func = (const char *)p + *(const int32_t *)p;
	p += 4;
	m->code_size = leb(&p, 0);
	m->flags = leb(&p, 0);
	m->name = (const char *)p;
	p += strlen(m->name) + 1;
	nr = leb(&p, 0);
	m->nr_args = nr;
	m->args = p;
	p += (nr + 3) / 4;
	m->nr_locals = leb(&p, 0);
	m->locals = p;
	for (uint32_t i = 0; i < m->nr_locals; i++) {
		uint32_t head = leb(&p, 0);

		leb(&p, 1);
		if ((head & 3) == 3)
			fail("a local's kind is wrong");
		if (head & 3)
			continue;
		nr = leb(&p, 0);
		p += (nr + 3) / 4;
	}
	m->nr_slots = leb(&p, 0);
	m->slots = p;
	for (uint32_t i = 0; i < m->nr_slots; i++)
		leb(&p, 0);
	m->live = NULL;
	for (nr = leb(&p, 0); nr; nr--) {
		at += leb(&p, 0);
		if (at == offset)
			m->live = p;
		p += (m->nr_slots + 7) / 8;
	}
	return p;
}

/* The function that @pc returns to; without one, @each is called for all. */
static int find(const char *pc, struct map *m, void (*each)(const struct map *))
{
	const char *p = __start_green_maps;

	while (p < __stop_green_maps) {
		const struct green_map_pack *pack = (const void *)p;
		const uint8_t *f = (const uint8_t *)(pack + 1);

		if (pack->version != GREEN_MAP_PACKED)
			fail("a record's version is wrong");
		for (uint32_t i = 0; i < pack->nr_funcs; i++) {
			const char *func = (const char *)f + *(const int32_t *)f;

			f = read_function(f, pc - func, m);
			if (each)
				each(m);
			else if (pc > func && pc <= func + m->code_size)
				return m->live || !(m->flags & GREEN_MAP_VERIFIED);
		}
		p += pack->size;
		if ((const char *)f > p || (const char *)f + 3 < p)
			fail("a record's size is wrong");
	}
	return 0;
}

/* What green_stack_morestack() pushes. */
struct entry {
	char floats[136];
	uint64_t r10;
	uint64_t word[6];		/* the last first */
	uint64_t rax;
	const char *pc, *ret;
};
extern const char green_stack_morestack_return[];

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
static int collect_local(const uint8_t **p, char *rsp, char *rbp)
{
	uint32_t head = leb(p, 0), period = 1;
	uint8_t all = head & 3;
	const uint8_t *bits = &all;
	uint64_t *words = (uint64_t *)(head >> 2 & 1 ? rsp : rbp) + leb(p, 1);

	if (!all) {
		period = leb(p, 0);
		bits = *p;
		*p += (period + 3) / 4;
	}
	for (uint32_t i = 0; i < head >> 3; i++) {
		uint32_t w = i % period;
		uint32_t kind = bits[w / 4] >> (w % 4 * 2) & 3;

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
	const uint8_t *p = m->slots;
	uint64_t *word = (uint64_t *)rsp;

	for (uint32_t i = 0; i < m->nr_slots; i++) {
		word += leb(&p, 0);
		if (m->live[i / 8] >> i % 8 & 1)
			relocate(word);
	}
	p = m->locals;
	for (uint32_t i = 0; i < m->nr_locals; i++)
		if (!collect_local(&p, rsp, rbp))
			return 0;
	return 1;
}

static char last_refused[128];

static void refused(const char *why, const struct map *m)
{
	refusals++;
	snprintf(last_refused, sizeof(last_refused), "%s %s", why,
		 m ? m->name : "");
	if (getenv("GREEN_TEST_VERBOSE"))
		fprintf(stderr, "refused: %s %s\n", why,
			m ? m->name : "");
}

/* -- the escape barrier: as libuser/stack/pin.c, of mapped frames only --------- */

#define MAX_PINS	64

__thread uintptr_t green_escape_low = UINTPTR_MAX;
static uintptr_t pins[MAX_PINS];
static size_t nr_pins;

void do_green_escape(uintptr_t value);
void do_green_escape_to(uintptr_t value, uintptr_t dest, uintptr_t *fp);
void do_green_escape_loop(uintptr_t value, uintptr_t dest, uintptr_t *fp);
void do_green_escape_copy(uintptr_t src, size_t n);
void do_green_escape_copy_to(uintptr_t src, size_t n, uintptr_t dest, uintptr_t *fp);
void do_green_escape_lend(uintptr_t value, const char *callee);
void do_green_lend(const uintptr_t *word, unsigned int mask, const char *callee);
void do_green_escape_end(uintptr_t fp);
void do_green_escape_dead(uintptr_t local, size_t size);
void do_green_escape_all(void);

static void drop_pins(uintptr_t from, uintptr_t to)
{
	size_t n = 0;

	green_escape_low = UINTPTR_MAX;
	for (size_t i = 0; i < nr_pins; i++)
		if (pins[i] < from || pins[i] > to) {
			pins[n++] = pins[i];
			if (pins[i] < green_escape_low)
				green_escape_low = pins[i];
		}
	nr_pins = n;
}

/* Those of a frame and below. */
void do_green_escape_end(uintptr_t fp)
{
	drop_pins(0, fp + 15);
}

/* ... of a local, one past its end, too. */
void do_green_escape_dead(uintptr_t local, size_t size)
{
	drop_pins(local, local + size);
}

void do_green_escape(uintptr_t value)
{
	if (!in_stack(value))
		return;
	for (size_t i = 0; i < nr_pins; i++)
		if (pins[i] == value)
			return;
	if (nr_pins == MAX_PINS)
		fail("too many pins");
	pins[nr_pins++] = value;
	if (value < green_escape_low)
		green_escape_low = value;
}

void do_green_escape_all(void)
{
	do_green_escape((uintptr_t)hi - 8);
}

void do_green_escape_copy(uintptr_t src, size_t n)
{
	for (uintptr_t p = (src + 7) & ~7UL; p + 8 <= src + n; p += 8)
		do_green_escape(*(uintptr_t *)p);
}

/* Does the function that @pc returns to never move? */
static int function_stays(const char *pc)
{
	struct map m = { 0 };

	find(pc, &m, NULL);
	return pc > m.func && pc <= m.func + m.code_size && m.flags & GREEN_MAP_SHARED;
}

/* Is the frame that @dest lies in none that is pinned, and not of a function that stays? */
static int free_local(uintptr_t dest, uintptr_t *fp)
{
	uintptr_t start = 0, end;
	int stays = 0;

	if (!in_stack(dest))
		return 0;
	for (;; fp = (uintptr_t *)*fp) {
		if (!in_stack((uintptr_t)fp))
			return 0;
		end = (uintptr_t)(fp + 2);
		if (dest < end)
			break;
		start = end;
		stays = function_stays((const char *)fp[1]);
	}
	if (stays)
		return 0;
	for (size_t i = 0; i < nr_pins; i++)
		if (pins[i] >= start && pins[i] < end)
			return 0;
	return 1;
}

void do_green_escape_to(uintptr_t value, uintptr_t dest, uintptr_t *fp)
{
	if (!free_local(dest, fp))
		do_green_escape(value);
}

/* Are both in one frame? */
void do_green_escape_loop(uintptr_t value, uintptr_t dest, uintptr_t *fp)
{
	for (; in_stack((uintptr_t)fp); fp = (uintptr_t *)*fp) {
		uintptr_t end = (uintptr_t)(fp + 2);

		if (value < end && dest < end)
			return;
		if (value < end || dest < end)
			break;
	}
	do_green_escape(value);
}

void do_green_escape_copy_to(uintptr_t src, size_t n, uintptr_t dest, uintptr_t *fp)
{
	if ((dest ^ src) % 8 || !free_local(dest, fp))
		do_green_escape_copy(src, n);
}

/* Mapped code is known by what stands in front of it. */
void do_green_escape_lend(uintptr_t value, const char *callee)
{
	const uint32_t *mark = (const uint32_t *)callee - 1;

	if (!((uintptr_t)callee & 0xffc) || (*mark | GREEN_ABI_MARK_BIT) != GREEN_ABI_MARK)
		do_green_escape(value);
}

void do_green_lend(const uintptr_t *word, unsigned int mask, const char *callee)
{
	for (int i = 0; i < 6; i++)
		if (mask & 1U << i)
			do_green_escape_lend(word[5 - i], callee);
}

static int is_pinned(char *from, char *to)
{
	for (size_t i = 0; i < nr_pins; i++)
		if (pins[i] >= (uintptr_t)from && pins[i] < (uintptr_t)to)
			return 1;
	return 0;
}

/* The arguments of a function that was stopped at its front. */
static int collect_entry(const struct entry *e)
{
	uint32_t n = 0;
	struct map m;

	find(e->pc, &m, NULL);
	for (uint32_t i = 0; i < m.nr_args; i++) {
		uint32_t kind = m.args[i / 4] >> (i % 4 * 2) & 3;
		uint64_t *word = n < 6 ? (uint64_t *)&e->word[5 - n] :
			(uint64_t *)(e + 1) + n - 6;

		if (kind == GREEN_ARG_OTHER)
			continue;
		n++;
		if (kind == GREEN_ARG_POINTER)
			relocate(word);
		else if (kind == GREEN_ARG_AMBIGUOUS && in_stack(*word))
			return 0;
	}
	return 1;
}

static int collect(char *frame)
{
	nr_relocs = 0;
	do_green_escape_end((uintptr_t)frame);	/* what is left of frames that are gone */
	for (;;) {
		uint64_t *rbp = (uint64_t *)frame;
		const char *pc = (const char *)rbp[1];
		char *rsp = frame + 16;
		struct map m;

		relocate(&rbp[0]);
		if (pc == green_stack_morestack_return) {
			const struct entry *e = (const void *)rsp;

			if (!collect_entry(e)) {
				refused("ambiguous argument", NULL);
				return 0;
			}
			pc = e->ret;
			rsp = (char *)(e + 1);
		}
		if (pc == run_on_stack_return)
			return 1;
		if (!find(pc, &m, NULL)) {
			refused("no map", NULL);
			return 0;
		}
		if (!(m.flags & GREEN_MAP_VERIFIED)) {
			refused("not verified", &m);
			return 0;
		}
		if (is_pinned(rsp, (char *)rbp[0] + 16)) {
			refused("escaped", &m);
			return 0;
		}
		if (!collect_frame(&m, rsp, (char *)rbp[0])) {
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
	__asm__ volatile("movq %0, %%fs:%c1" : : "r"(limit), "i"(GREEN_ABI_LIMIT));
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
	last_refused[0] = '\0';
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

const char *green_test_refused(void)
{
	return last_refused;
}

void green_test_out(const char *what, long value)
{
	printf("%s %ld\n", what, value);
}

static void print_record(const struct map *m)
{
	static const char *const why[] = {
		"VERIFIED", "RETURNS_TWICE", "ESCAPE", "INTEGER", "AGGREGATE",
		"VARARGS", "DYNAMIC", "CONTROL", "CODEGEN",
	};

	printf("%s %s\n", m->name, why[GREEN_MAP_WHY(m->flags)]);
}

static int print_records(void)
{
	struct map m;

	find(NULL, &m, print_record);
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
