// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The escape barrier: a frame whose address is kept outside the stack stays,
 * until it is left; every other one moves. Prints "ok name" or what is wrong.
 */
#include "../runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PINNED_BY(name)	expect("escaped " name, __func__, __LINE__)
#define MOVES()		expect("", __func__, __LINE__)

void foreign_keep(void *p);
void *foreign_kept(void);

struct holder {
	int *p;
	long n;
	struct holder *next;
};

int *kept;
static uintptr_t kept_word;
static struct holder *heap, *list;
static volatile int zero;
static int wrong;

static NOINLINE void expect(const char *want, const char *where, int line)
{
	green_test_move();
	if (!strcmp(green_test_refused(), want))
		return;
	printf("%s:%d: \"%s\" instead of \"%s\"\n", where, line, green_test_refused(), want);
	wrong++;
}

static void is(long a, long b, const char *where, int line)
{
	if (a == b)
		return;
	printf("%s:%d: %ld is not %ld\n", where, line, a, b);
	wrong++;
}

#define IS(a, b) is((long)(a), (long)(b), __func__, __LINE__)

static NOINLINE void in_global(void)
{
	int x = 1;

	MOVES();
	kept = &x;
	PINNED_BY("in_global");
	kept = NULL;
	PINNED_BY("in_global");
	x++;
	IS(x, 2);
}

static NOINLINE void keeps(int *p)
{
	MOVES();
	kept = p;
}

static NOINLINE void looks(void)
{
	PINNED_BY("by_callee");
	++*kept;
}

static NOINLINE void by_callee(void)
{
	int x = 1;

	keeps(&x);
	looks();
	PINNED_BY("by_callee");
	IS(x, 2);
}

static NOINLINE void callee_only(void)
{
	int x = 1;

	MOVES();
	keeps(&x);
	kept = NULL;
	PINNED_BY("callee_only");
}

static NOINLINE void in_heap(void)
{
	int x = 1;

	heap->p = &x;
	PINNED_BY("in_heap");
	++*heap->p;
	IS(x, 2);
}

/* Only a branch that is not taken keeps it. */
static NOINLINE void perhaps(int really)
{
	int x = 1;

	if (really)
		kept = &x;
	if (really)
		PINNED_BY("perhaps");
	else
		MOVES();
	x += really;
	IS(x, 1 + really);
}

static NOINLINE void foreign(void)
{
	int x = 1;

	MOVES();
	foreign_keep(&x);
	PINNED_BY("foreign");
	++*(int *)foreign_kept();
	IS(x, 2);
}

static NOINLINE void by_copy(void)
{
	int x = 1;
	struct holder h = { .p = &x };

	MOVES();
	memcpy(heap, &h, sizeof(h));
	PINNED_BY("by_copy");
	++*heap->p;
	IS(x, 2);
	IS(h.p == &x, 1);
}

static NOINLINE void copies(struct holder *to, const struct holder *from)
{
	MOVES();
	*to = *from;
}

static NOINLINE void by_lent_copy(void)
{
	int x = 1;
	struct holder h = { .p = &x };

	copies(heap, &h);
	PINNED_BY("by_lent_copy");
	++*heap->p;
	IS(x, 2);
}

static NOINLINE void local_copy(void)
{
	int x = 1;
	struct holder h = { .p = &x }, g = { 0 };

	__asm__ volatile("" : "+m"(h), "+m"(g));
	copies(&g, &h);
	MOVES();
	++*g.p;
	IS(x, 2);
}

static NOINLINE void out_parameter(int **out, int *p)
{
	MOVES();
	*out = p;
}

static NOINLINE void by_out_parameter(void)
{
	int x = 1;

	out_parameter(&heap->p, &x);
	PINNED_BY("by_out_parameter");
	++*heap->p;
	IS(x, 2);
}

static NOINLINE void local_out_parameter(void)
{
	int x = 1, *p = NULL;

	out_parameter(&p, &x);
	MOVES();
	++*p;
	IS(x, 2);
}

/* Into a word that no map can name. */
static NOINLINE void unaligned(void)
{
	int x = 1, *p = &x;
	char buf[24];

	memset(buf, 0, sizeof(buf));
	MOVES();
	memcpy(buf + 3, &p, sizeof(p));
	__asm__ volatile("" : "+m"(buf));
	PINNED_BY("unaligned");
	memcpy(&p, buf + 3, sizeof(p));
	++*p;
	IS(x, 2);
}

/* The C library keeps nothing, but writes an address where it is told to. */
static NOINLINE void by_library(void)
{
	char buf[16] = "17 4", *end;
	static char *away;

	IS(strtol(buf, NULL, 10), 17);
	IS(strtol(buf, &end, 10), 17);
	MOVES();
	IS(end - buf, 2);
	IS(strtol(buf, &away, 10), 17);
	PINNED_BY("by_library");
	IS(away - buf, 2);
}

typedef long longs __attribute__((vector_size(16)));

static NOINLINE void in_vector(void)
{
	static longs away;
	int x = 1;

	away = (longs){ 5, (long)&x };
	__asm__ volatile("" : "+m"(away));
#ifdef __OPTIMIZE__ /* else there is a copy in a local, which is ambiguous */
	PINNED_BY("in_vector");
#endif
	++*(int *)away[1];
	IS(x, 2);
}

static NOINLINE void deep(int n)
{
	volatile char room[64];

	room[0] = 1;
	if (n)
		deep(n - 1);
	else
		green_test_move();
	room[1] = 2;
}

/* One past the end may be where the frame ends. */
static NOINLINE void past_the_end(void)
{
	long x[2];

	__asm__ volatile("" : "+m"(x));
	kept_word = (uintptr_t)(x + 2);
	PINNED_BY("past_the_end");
	IS((uintptr_t)(x + 2), kept_word);
}

/* Into another local: no pin. */
static NOINLINE void in_local(void)
{
	int x = 1;
	struct holder h = { .p = &x };
	struct holder *volatile q = &h;

	MOVES();
	++*q->p;
	IS(x, 2);
}

static NOINLINE void as_integer(void)
{
	int x[4] = { 1 };

	kept_word = (uintptr_t)x + 8;
	PINNED_BY("as_integer");
	++*(int *)(kept_word - 8);
	IS(x[0], 2);
}

static NOINLINE void by_exchange(void)
{
	int x = 1;

	__atomic_exchange_n(&kept, &x, __ATOMIC_SEQ_CST);
	PINNED_BY("by_exchange");
	++*kept;
	IS(x, 2);
}

/*
 * What a pinned local holds of an older frame is found through it, and kept by
 * code that takes it for something from outside.
 */
static NOINLINE void takes(void)
{
	kept = list->p;
}

static NOINLINE void links(int *older)
{
	struct holder h = { .p = older };

	list = &h;
	takes();
	PINNED_BY("links");
}

static NOINLINE void by_content(void)
{
	int x = 1;

	links(&x);
	PINNED_BY("by_content");
	++*kept;
	IS(x, 2);
}

/* ... or returned. */
static NOINLINE int *returns_found(void)
{
	return list->p;
}

static NOINLINE int *links_and_returns(int *older)
{
	struct holder h = { 0 };

	list = &h;
	h.p = older;
	return returns_found();
}

static NOINLINE void by_result(void)
{
	int x = 1, *p = links_and_returns(&x);

	green_test_move();
	++*p;
	IS(x, 2);
}

/* The struct is linked before and filled afterwards, by others. */
static NOINLINE void fills(struct holder *h, int *p)
{
	h->p = p;
}

static NOINLINE void linked_then_filled(int *older)
{
	struct holder h = { 0 };

	list = &h;
	fills(&h, older);
	takes();
}

static NOINLINE void by_later_content(void)
{
	int x = 1;

	linked_then_filled(&x);
	PINNED_BY("by_later_content");
	++*kept;
	IS(x, 2);
}

static NOINLINE void filled_then_linked(int *older)
{
	struct holder h = { 0 };

	fills(&h, older);
	list = &h;
	takes();
}

static NOINLINE void by_earlier_content(void)
{
	int x = 1;

	filled_then_linked(&x);
	PINNED_BY("by_earlier_content");
	++*kept;
	IS(x, 2);
}

/* What others may find one day may hold its own address until they do. */
static NOINLINE void list_init(struct holder *h)
{
	h->next = h;
	h->p = (int *)&h->n;
}

static NOINLINE void self_pointing(void)
{
	struct holder h;

	MOVES();
	list_init(&h);
	MOVES();
	IS(h.next == &h, 1);
	IS((long *)h.p == &h.n, 1);
	if (zero)
		list = &h;
}

static NOINLINE int recursion(int n, struct holder *up)
{
	struct holder h = { .n = n, .next = up };
	int sum;

	if (n == 10)
		list = &h;
	if (n)
		return recursion(n - 1, &h) + 1;
	PINNED_BY("recursion");
	sum = 0;
	for (struct holder *p = &h; p; p = p->next)
		sum += (int)p->n;
	IS(sum, 210);
	return 1;
}

static NOINLINE double in_floating(double d, float f)
{
	int x = 1;

	kept = &x;
	return d * 2 + (double)f + x;
}

/* ---- lists whose head is a local --------------------------------------- */

struct node {
	struct node *next, *prev;
};

struct element {
	int v;
	struct node node;
};

static inline void node_init(struct node *head)
{
	head->next = head->prev = head;
}

static inline void list_add(struct node *n, struct node *head)
{
	n->next = head->next;
	n->prev = head;
	head->next->prev = n;
	head->next = n;
}

static inline void list_del(struct node *n)
{
	n->next->prev = n->prev;
	n->prev->next = n->next;
}

static inline struct element *element_of(struct node *n)
{
	return (struct element *)((char *)n - offsetof(struct element, node));
}

static inline int list_sum(struct node *head)
{
	int sum = 0;

	for (struct node *n = head->next; n != head; n = n->next)
		sum = 10 * sum + element_of(n)->v;
	return sum;
}

static struct element elements[3];

/* It points to itself, and nobody else to it, until there is an element. */
static NOINLINE void list_head(int n)
{
	struct node head;

	node_init(&head);
	MOVES();
	MOVES();
	IS(head.next == &head && head.prev == &head, 1);
	IS(list_sum(&head), 0);
	for (int i = 0; i < n; i++) {
		elements[i].v = i + 1;
		list_add(&elements[i].node, &head);
		PINNED_BY("list_head");
	}
	IS(list_sum(&head), n == 3 ? 321 : 0);
	for (int i = 0; i < n; i++)
		list_del(&elements[i].node);
	/* Its address may have been copied meanwhile, by code without barriers. */
	if (n)
		PINNED_BY("list_head");
	else
		MOVES();
	IS(head.next == &head && head.prev == &head, 1);
}

/* ---- locals that die before their function returns ---------------------- */

/* clang says where at -O1 and above. */
#ifdef __OPTIMIZE__
#define MOVES_AGAIN(name) MOVES()
#else
#define MOVES_AGAIN(name) PINNED_BY(name)
#endif

static struct element waiting = { .v = 7, .node = { &waiting.node, &waiting.node } };

/* What the kernel does, and each of its ports: wait in a list, by a local. */
static inline __attribute__((always_inline)) void wait_once(int v, const char *caller)
{
	struct element e = { .v = v };

	list_add(&e.node, &waiting.node);
	expect(caller, __func__, __LINE__);
	IS(element_of(waiting.node.next)->v, v);
	list_del(&e.node);
}

static NOINLINE void inlined_twice(void)
{
	wait_once(1, "escaped inlined_twice");
	MOVES_AGAIN("inlined_twice");
	wait_once(2, "escaped inlined_twice");
	MOVES_AGAIN("inlined_twice");
}

static NOINLINE void in_a_loop(int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++) {
		struct node head;

		head.next = head.prev = &head;
		if (!i)
			MOVES();
		else
			MOVES_AGAIN("in_a_loop");
		IS(head.next == &head && head.prev == &head, 1);
		if (i == 2)
			continue;
		elements[0].v = i;
		list_add(&elements[0].node, &head);
		PINNED_BY("in_a_loop");
		sum += list_sum(&head);
		if (i == 4)
			break;
		list_del(&elements[0].node);
	}
	MOVES_AGAIN("in_a_loop");
	IS(sum, 8);
}

/* The frame stays as long as any of its heads does. */
static NOINLINE void one_in_another(void)
{
	{
		struct node first, second;

		first.next = first.prev = &first;
		elements[0].v = 1;
		list_add(&elements[0].node, &first);
		for (int i = 2; i < 5; i++) {
			struct node inner;

			inner.next = inner.prev = &inner;
			elements[1].v = i;
			list_add(&elements[1].node, &inner);
			PINNED_BY("one_in_another");
			IS(list_sum(&inner), i);
		}
		PINNED_BY("one_in_another");
		IS(list_sum(&first), 1);
		second.next = second.prev = &second;
		list_del(&elements[0].node);
		list_add(&elements[0].node, &second);
		PINNED_BY("one_in_another");
		IS(list_sum(&second), 1);
	}
	MOVES_AGAIN("one_in_another");
}

static long *ends[3];

/* Where one local ends another may begin, and the end's address is an address. */
static NOINLINE void end_of_another(int n)
{
	long a[2] = { 1, n }, b[2] = { 2, n }, c[2] = { 3, n };

	ends[n] = (n == 0 ? a : n == 1 ? b : c) + 2;
	{
		long x[2] = { n }, y[2] = { n }, z[2] = { n };

		kept = (int *)x;
		x[0] += *kept;
		kept = (int *)y;
		y[0] += *kept;
		kept = (int *)z;
		z[0] += *kept;
		PINNED_BY("end_of_another");
		IS(x[0] + y[0] + z[0], 6 * n);
	}
	PINNED_BY("end_of_another");
	IS(ends[n][-2], n + 1);
	IS(ends[n][-1], n);
}

/* Elsewhere, in all ways that there are. */
static NOINLINE void dies_on_each_way(int n)
{
	for (int i = 0; i < 2; i++) {
		int x = n;

		switch (n) {
		case 0:
			kept = &x;
			break;
		case 1:
			foreign_keep(&x);
			break;
		case 2:
			keeps(&x);
			goto out;
		default:
			continue;
		}
		PINNED_BY("dies_on_each_way");
		IS(x, n);
	}
out:
	if (n > 2)
		MOVES();
	else
		MOVES_AGAIN("dies_on_each_way");
}

/* The optimizer makes an integer of the address before the loop, for all turns. */
static NOINLINE void as_integer_in_turn(int n)
{
	for (int i = 0; i < n; i++) {
		int x[2] = { i };

		kept_word = (uintptr_t)x + 5;
		PINNED_BY("as_integer_in_turn");
		IS(*(int *)(kept_word - 5), i);
	}
}

/* ... or once, when the loop is unrolled. */
static NOINLINE void as_integer_in_copies(void)
{
	for (int i = 0; i < 3; i++) {
		int x[2] = { i };

		kept_word = (uintptr_t)x + 5;
		PINNED_BY("as_integer_in_copies");
		IS(*(int *)(kept_word - 5), i);
	}
}

/* The way out of the loop may lead on while the local is there. */
static NOINLINE int out_of_a_turn(int n)
{
	for (int i = 0; i < 10; i++) {
		int x[2] = { i };

		kept_word = (uintptr_t)x + 5;
		if (i >= n) {
			PINNED_BY("out_of_a_turn");
			return *(int *)(kept_word - 5);
		}
	}
	return -1;
}

/* ... and may leave out a store of what is there already. */
static NOINLINE int in_turn(const int *which)
{
	int **words = malloc(2 * sizeof(*words)), sum = 0;

	for (int i = 0; i < 2; i++) {
		int x = i + 1;

		words[0] = &x;
		green_test_move();
		sum += *words[which[i]];
		green_test_move();
	}
	MOVES_AGAIN("in_turn");
	free(words);
	return sum;
}

/* A frame of another activation has locals of its own. */
static NOINLINE int dies_in_turn(int n)
{
	int sum = 0;

	for (int i = 0; i < 2; i++) {
		struct holder h = { .n = n, .next = list };

		list = &h;
		PINNED_BY("dies_in_turn");
		if (n)
			sum += dies_in_turn(n - 1);
		sum += (int)list->n;
		PINNED_BY("dies_in_turn");
		list = h.next;
	}
	if (list)
		PINNED_BY("dies_in_turn");
	else
		MOVES_AGAIN("dies_in_turn");
	return sum;
}

/* A stack within the structure, as in a parser. */
struct machine {
	long *top;
	struct machine *outer;
	long stack[20];
};

static struct machine *volatile exposed;
static long *copied;

static NOINLINE void push(struct machine *m, long v)
{
	*++m->top = v;
}

static NOINLINE void machine(int expose)
{
	struct machine m;

	m.top = m.stack;
	m.outer = NULL;
	m.stack[0] = 0;
	for (int i = 1; i < 10; i++) {
		push(&m, i);
		MOVES();
		IS(m.top - m.stack, i);
	}
	long *top = m.top;

	MOVES();
	IS(top == &m.stack[9], 1);
	if (!expose)
		return;
	exposed = &m;
	/* What is found there is taken for something that stays. */
	copied = exposed->top;
	PINNED_BY("machine");
	IS(*copied, 9);
	IS(copied == m.top, 1);
}

/* The local of one activation is another than that of the next. */
static NOINLINE void machines(struct machine *outer, int n)
{
	struct machine m;

	m.top = m.stack;
	m.outer = outer ? outer : &m;
	m.stack[0] = n;
	if (!outer)
		MOVES();
	if (n) {
		machines(&m, n - 1);
		if (n == 1) {
			PINNED_BY("machines");
			IS(copied == m.stack, 1);
		}
		return;
	}
	exposed = &m;
	copied = exposed->outer->top;
	PINNED_BY("machines");
}

/* More frames than there are pins. */
static NOINLINE int many(int n)
{
	int x = n;

	kept = &x;
	if (n && many(n - 1) != n - 1)
		return -1;
	green_test_move();
	return x;
}

static NOINLINE int also(int *p, int n, const char *caller)
{
	*p += n;
	expect(caller, __func__, __LINE__);
	return *p;
}

/* The last call could be a jump, but for what the frame leaves behind. */
static NOINLINE int before_a_call(int n, int *p)
{
	int x = n;

	kept = &x;
	PINNED_BY("before_a_call");
	x += *kept;
	kept = NULL;
	return also(p, x - 2 * n, "escaped before_a_call");
}

/* ... on one of two ways. */
static NOINLINE int on_one_way(int n, int *p)
{
	int x = n;

	if (n > 2) {
		kept = &x;
		PINNED_BY("on_one_way");
		x += *kept;
	}
	kept = NULL;
	return x == n ? also(p, 1, "") : *p;
}

static NOINLINE void left_by_calls(void)
{
	int y = 1;

	for (int n = 1; n < 5; n++) {
		IS(before_a_call(n, &y), n < 3 ? n : 3);
		MOVES();
		IS(on_one_way(n, &y), n < 3 ? n + 1 : 3);
		MOVES();
	}
}

static int **spot;

static NOINLINE void through(int **where, int *what)
{
	*where = what;
}

/* To a local of its own, which a map names, and to one that was found. */
static NOINLINE void stored_there(void)
{
	int x = 5, *mine;

	through(&mine, &x);
	*mine += 1;
	through(spot, &x);
	PINNED_BY("stored_there");
	IS(**spot, 6);
	IS(x, 6);
}

/* Its locals are not pinned, for it does not move. They are anybody's all the same. */
static NOINLINE void in_frame_that_stays(int n, ...)
{
	int *word = NULL;
	va_list ap;

	va_start(ap, n);
	spot = &word;
	stored_there();
	spot = NULL;
	IS(word == NULL, 0);
	IS(va_arg(ap, int), 2);
	va_end(ap);
}

static int *own_same(int *p)
{
	return p;
}

static int *(*volatile same)(int *) = own_same;

/* What a callee that is not seen returns may be what it was passed. */
NOINLINE void keep_result(int *p, int n)
{
	static int other;

	kept = __builtin_expect(n, 1) ? &other : same(p);
}

static NOINLINE void by_rare_result(int n)
{
	int x = 1;

	keep_result(&x, n);
	if (n)
		MOVES();
	else
		PINNED_BY("by_rare_result");
	*kept += 1;
	IS(x, n ? 1 : 2);
}

NOINLINE void keep_deep(int *p);

/* It only passes on what is kept below: on the way there it can move. */
NOINLINE void pass_deep(int *p, int n)
{
	int y = *p;

	MOVES();
	if (n)
		keep_deep(p);
	y += *p;
	if (!n)
		MOVES();
	IS(y, n ? 3 : 2);
}

NOINLINE void keep_deep(int *p)
{
	green_test_move();
	*p += 1;
	kept = p;
	PINNED_BY("by_deep_callee");
}

static struct holder *kept_holder;

NOINLINE void keep_holder(struct holder *h)
{
	kept_holder = h;
}

static NOINLINE void put_in(struct holder *h)
{
	int x = 1;

	h->p = &x;
	PINNED_BY("put_in");
	++*kept_holder->p;
	IS(x, 2);
}

/* A callee keeps it: from then on what lies in it can be found. */
static NOINLINE void in_what_a_callee_keeps(void)
{
	struct holder h = { 0 };

	keep_holder(&h);
	put_in(&h);
}

static NOINLINE void by_deep_callee(int n)
{
	int x = 1;

	pass_deep(&x, n);
	if (n)
		PINNED_BY("by_deep_callee");
	else
		MOVES();
	IS(x, 1 + n);
}

/* Ways to hand an argument on to who keeps it. */
NOINLINE void keep_plainly(int *p)
{
	kept = p;
}

__attribute__((weak, noinline)) void keep_weakly(int *p)
{
	kept = p;
}

void keep_by_alias(int *p) __attribute__((alias("keep_plainly")));

__attribute__((ms_abi, noinline)) void keep_by_other_registers(int *p)
{
	kept = p;
}

NOINLINE void keep_variable(int n, ...)
{
	va_list ap;

	va_start(ap, n);
	kept = va_arg(ap, int *);
	va_end(ap);
}

NOINLINE void keep_member(struct holder h)
{
	kept = h.p;
}

static NOINLINE void keep_for_file(int *p)
{
	green_test_move();
	kept = p;
}

static void (*volatile keep_by_pointer)(int *) = keep_plainly;

NOINLINE void keep_in_turn(int *p, int n);

NOINLINE void pass_in_turn(int *p, int n)
{
	keep_in_turn(p, n);
	green_test_move();
}

NOINLINE void keep_in_turn(int *p, int n)
{
	if (n)
		pass_in_turn(p, n - 1);
	else
		kept = p;
	green_test_move();
}

#define PASSES(how, call)						\
NOINLINE void how(int *p)						\
{									\
	green_test_move();						\
	*p += 1;							\
	call;								\
	green_test_move();						\
	*p += 1;							\
}
PASSES(to_plain, keep_plainly(p))
PASSES(to_weak, keep_weakly(p))
PASSES(to_alias, keep_by_alias(p))
PASSES(to_other_registers, keep_by_other_registers(p))
PASSES(to_variable, keep_variable(1, p))
PASSES(to_member, keep_member((struct holder){ .p = p }))
PASSES(to_file, keep_for_file(p))
PASSES(to_pointer, keep_by_pointer(p))
PASSES(to_foreign, foreign_keep(p); kept = foreign_kept())
PASSES(to_turns, pass_in_turn(p, 3))

NOINLINE void to_jump(int *p)
{
	*p += 2;
	keep_plainly(p);
}

static NOINLINE void by_passing(void (*pass)(int *))
{
	int x = 1;

	pass(&x);
	PINNED_BY("by_passing");
	*kept += 1;
	IS(x, 4);
}

#define TEST(call, name)						\
	do {								\
		int before = wrong;					\
									\
		MOVES();						\
		call;							\
		MOVES();						\
		if (wrong == before)					\
			printf("ok %s\n", name);			\
		else							\
			printf("not ok %s\n", name);			\
	} while (0)

int test_main(void)
{
	heap = calloc(1, sizeof(*heap));
	TEST(in_global(), "in_global");
	TEST(by_callee(), "by_callee");
	TEST(callee_only(), "callee_only");
	TEST(in_heap(), "in_heap");
	TEST(perhaps(0), "perhaps_not");
	TEST(perhaps(1), "perhaps");
	TEST(foreign(), "foreign");
	TEST(by_copy(), "by_copy");
	TEST(by_lent_copy(), "by_lent_copy");
	TEST(local_copy(), "local_copy");
	TEST(by_out_parameter(), "by_out_parameter");
	TEST(local_out_parameter(), "local_out_parameter");
	TEST(in_local(), "in_local");
	TEST(as_integer(), "as_integer");
	TEST(unaligned(), "unaligned");
	TEST(by_library(), "by_library");
	TEST(in_vector(), "in_vector");
	TEST(deep(20), "deep");
	TEST(past_the_end(), "past_the_end");
	TEST(by_exchange(), "by_exchange");
	TEST(by_content(), "by_content");
	TEST(by_result(), "by_result");
	TEST(by_later_content(), "by_later_content");
	TEST(by_earlier_content(), "by_earlier_content");
	TEST(self_pointing(), "self_pointing");
	TEST(list_head(0), "list_head_of_none");
	TEST(list_head(3), "list_head");
	TEST(inlined_twice(), "inlined_twice");
	TEST(in_a_loop(6), "in_a_loop");
	TEST(one_in_another(), "one_in_another");
	for (int i = 0; i < 3; i++)
		TEST(end_of_another(i), "end_of_another");
	for (int i = 0; i < 4; i++)
		TEST(dies_on_each_way(i), "dies_on_each_way");
	TEST(as_integer_in_turn(3), "as_integer_in_turn");
	TEST(as_integer_in_copies(), "as_integer_in_copies");
	TEST(IS(out_of_a_turn(zero + 2), 2), "out_of_a_turn");
	TEST(IS(in_turn((int[]){ 0, 0 }), 3), "in_turn");
	list = NULL;
	TEST(IS(dies_in_turn(2), 8), "dies_in_turn");
	TEST(machine(0), "machine");
	TEST(machine(1), "machine_that_is_exposed");
	TEST(machines(NULL, 2), "machines");
	TEST(IS(recursion(20, NULL), 21), "recursion");
	TEST(IS(in_floating(1.5, 2.5f), 6), "in_floating");
	TEST(left_by_calls(), "left_by_calls");
	TEST(by_rare_result(1), "by_rare_result_not");
	TEST(by_rare_result(0), "by_rare_result");
	TEST(in_what_a_callee_keeps(), "in_what_a_callee_keeps");
	TEST(by_deep_callee(0), "by_deep_callee_not");
	TEST(by_deep_callee(1), "by_deep_callee");
	TEST(by_passing(to_plain), "by_passing_plain");
	TEST(by_passing(to_weak), "by_passing_weak");
	TEST(by_passing(to_alias), "by_passing_alias");
	TEST(by_passing(to_other_registers), "by_passing_other_registers");
	TEST(by_passing(to_variable), "by_passing_variable");
	TEST(by_passing(to_member), "by_passing_member");
	TEST(by_passing(to_file), "by_passing_file");
	TEST(by_passing(to_pointer), "by_passing_pointer");
	TEST(by_passing(to_foreign), "by_passing_foreign");
	TEST(by_passing(to_turns), "by_passing_turns");
	TEST(by_passing(to_jump), "by_passing_jump");
	TEST(in_frame_that_stays(1, 2), "in_frame_that_stays");
	TEST(IS(many(40), 40), "many");
	free(heap);
	return wrong != 0;
}
