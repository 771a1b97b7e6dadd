// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What belongs to the OS thread, over a call that goes on on another one: what is
 * said anew is found anew, what was stored stays. Prints what is wrong.
 */
#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define NOINLINE __attribute__((noinline))

struct mine {
	long owner, hits;
	long table[4];
};

static __thread struct mine here;
static __thread long count;
static int bad;

static void check(int ok, const char *what)
{
	if (!ok) {
		printf("wrong: %s\n", what);
		bad = 1;
	}
}

/* What is found by an address that no optimizer knows of. */
static NOINLINE long offset_of(void *p)
{
	return (char *)p - (char *)thread_base();
}

static NOINLINE void saved_addresses(void)
{
	struct mine *mine = &here;
	long *slot = &here.table[2], *one = &count, *by_const = slot_const();
	long at = offset_of(mine);
	pthread_t self = pthread_self();
	void *tp = __builtin_thread_pointer();

	mine->owner = 1;
	*slot = 10;
	*one = 5;
	*by_const = 6;
	hop();
	here.owner = 2;
	here.table[2] = 20;
	count = 7;
	*slot_const() = 8;
	check(mine->owner == 1, "the address of a thread-local, stored");
	check(*slot == 10, "the address of a member, stored");
	check(*one == 5, "the address of a number, stored");
	check(*by_const == 6, "the result of a const function, stored");
	check(offset_of(mine) != at, "the address, compared with another thread's");
	check(!pthread_equal(self, pthread_self()), "pthread_self(), stored");
	check(tp != __builtin_thread_pointer(), "the thread pointer, stored");
	check(tp == (char *)mine - at, "the thread pointer, stored, by its value");
	hop();
	check(mine == &here && here.owner == 1, "the address, back in its thread");
	check(pthread_equal(self, pthread_self()), "pthread_self(), back in its thread");
	check(tp == __builtin_thread_pointer(), "the thread pointer, back in its thread");
}

static NOINLINE void said_anew(void)
{
	here.hits = 3;
	count = 30;
	*slot_const() = 300;
	*slot_pure(1) = 300;
	hop();
	here.hits = 4;
	count = 40;
	*slot_const() = 400;
	check(*slot_pure(1) == 400 && foreign_slot == 400, "a pure function, asked again");
	check(slot_const() == &foreign_slot, "a const function, asked again");
	check(__builtin_thread_pointer() == thread_base(), "the thread pointer, asked again");
	hop();
	check(here.hits == 3, "a member, said anew");
	check(count == 30, "a number, said anew");
	check(*slot_const() == 300, "a const function, asked again, back");
	check(__builtin_thread_pointer() == thread_base(), "the thread pointer, back");
}

static NOINLINE void error_number(void)
{
	int *saved = &errno;

	errno = 11;
	hop();
	errno = 22;
	check(*saved == 11, "errno's address, stored");
	hop();
	check(errno == 11, "errno, said anew");
}

/* In loops the optimizer takes out what does not change. */
static NOINLINE void loops(int n)
{
	long sum = 0;

	for (int i = 0; i < n; i++) {
		here.table[i & 3] = i;
		count = i;
		*slot_const() = i;
		hop();
		sum += count + (__builtin_thread_pointer() == thread_base());
		check(slot_const() == &foreign_slot, "a const function in a loop");
	}
	if (n & 1)
		hop();
	/* The count of the turn before, for the thread of that turn. */
	check(sum != 0, "a loop");
}

/* Inlined, and so merged if anything is. */
static inline struct mine *this_thread(void)
{
	return &here;
}
static inline void *by_assembly(void)
{
	void *p;

	__asm__("movq %%fs:0, %0" : "=r"(p));
	return p;
}
static __attribute__((const)) long *own_const(void)
{
	return &count;
}

static NOINLINE void inlined(int twice)
{
	struct mine *a, *b;
	void *p = by_assembly(), *q;
	long *c = own_const();

	a = this_thread();
	hop();
	b = this_thread();
	q = by_assembly();
	check(a != b, "an inlined accessor");
	check(p != q && q == thread_base(), "assembly that reads %fs:0");
	check(c != own_const(), "a const function of this file");
	if (twice) {
		hop();
		check(a == this_thread() && p == by_assembly() && c == own_const(),
		      "accessors, back in their thread");
	}
}

/* Two variables and a choice: not one access with a chosen address. */
static NOINLINE long *either(int first)
{
	if (first)
		return &count;
	return &here.hits;
}

int main(void)
{
	begin();
	for (int i = 0; i < 2; i++) {
		saved_addresses();
		said_anew();
		error_number();
		loops(10);
		inlined(1);
		check(either(1) == &count && either(0) == &here.hits, "a choice");
	}
	if (!bad)
		puts("all right");
	return bad;
}
