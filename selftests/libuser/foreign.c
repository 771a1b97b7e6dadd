// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#include <green.h>
#include <stdint.h>
#include <string.h>

#include "foreign.h"

void foreign_call(void (*fn)(void *), void *arg)
{
	fn(arg);
	/* Not a tail call: the frame has to be there. */
	__asm__ volatile("" ::: "memory");
}

void foreign_count(int *p)
{
	++*p;
}

int foreign_frames(void)
{
	uintptr_t *fp = __builtin_frame_address(0);
	int n = 0;

	for (; fp && n < 1000; n++)
		fp = (uintptr_t *)*fp;
	return n;
}

int foreign_takes(unsigned int bytes)
{
	char room[bytes];

	memset(room, 1, bytes);
	__asm__ volatile("" : : "r"(room) : "memory");
	return room[bytes / 2];
}

__attribute__((noinline)) int foreign_low(unsigned int bytes)
{
	volatile char room[bytes];

	room[0] = 1;
	return room[0];
}

void foreign_low_start(void *bytes)
{
	foreign_low(*(unsigned int *)bytes);
}

unsigned long foreign_sp(void)
{
	return (unsigned long)__builtin_frame_address(0);
}

void foreign_room(unsigned long *room)
{
	unsigned long sp = foreign_sp();
	struct green_stack_info info;

	green_stack_info(green_self(), &info);
	*room = sp > info.lo && sp < info.hi ? sp - info.lo : 0;
}

void foreign_stack_info(void *info)
{
	green_stack_info(green_self(), info);
}
