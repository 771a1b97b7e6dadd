/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Do calls by a second name, f.green.M, get to f()? That is the linker's business, and
 * it knows nothing of second names: where it is told that f is another function
 * (--wrap, --defsym, objcopy, two definitions of which it takes the first), those
 * calls still go to the old one. So each file lists what it calls in this way, and
 * before main(), or where a library is loaded, each list is gone through. A program
 * that calls another function than clang's would ends there.
 *
 * Included by whatever is linked with mapped code: libgreen, the stubs, and what
 * libraries have. It needs no C library.
 */
#ifndef GREENCC_WAYS_H
#define GREENCC_WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "names.h"

extern const struct green_way __start_green_ways[]
	__attribute__((weak, visibility("hidden")));
extern const struct green_way __stop_green_ways[]
	__attribute__((weak, visibility("hidden")));

static int32_t green_way_offset(const unsigned char *p)
{
	int32_t n;

	__builtin_memcpy(&n, p, sizeof(n));
	return n;
}

/* It is f() itself; or what a caller brings, which begins with f's address in r10. */
static bool green_way_leads_to(const unsigned char *way, uintptr_t f)
{
	const unsigned char *behind = way + 7;

	if ((uintptr_t)way == f)
		return true;
	if (!__builtin_memcmp(way, "\x4c\x8b\x15", 3))	/* movq entry(%rip), %r10 */
		return *(const uintptr_t *)(behind + green_way_offset(way + 3)) == f;
	/* Linkers make of it, where f is near: */
	if (!__builtin_memcmp(way, "\x4c\x8d\x15", 3))	/* leaq f(%rip), %r10 */
		return (uintptr_t)behind + green_way_offset(way + 3) == f;
	if (!__builtin_memcmp(way, "\x49\xc7\xc2", 3))	/* movq $f, %r10 */
		return (uintptr_t)(intptr_t)green_way_offset(way + 3) == f;
	return false;
}

static void green_way_say(const char *s)
{
	size_t n = 0;
	long ret;

	while (s[n])
		n++;
	__asm__ volatile("syscall" : "=a"(ret) : "0"(SYS_write), "D"(2L), "S"(s), "d"(n)
			 : "rcx", "r11", "memory");
}

static inline void green_ways_check(void)
{
	const struct green_way *w;

	for (w = __start_green_ways; w < __stop_green_ways; w++) {
		const char *name = (const char *)&w->name + w->name;
		uintptr_t f = *(const uintptr_t *)((const char *)&w->function + w->function);

		if (green_way_leads_to((const unsigned char *)&w->way + w->way, f))
			continue;
		green_way_say("green: calls of ");
		green_way_say(name);
		green_way_say("() would go past the function that the linker has put in its "
			      "place (--wrap, --defsym, objcopy): compile its callers with "
			      "-fno-builtin-");
		green_way_say(name);
		green_way_say("\n");
		__builtin_trap();
	}
}

#endif
