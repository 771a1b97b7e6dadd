/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a program calls to leave frames: longjmp() and its like, and what catches
 * exceptions. libgreen's come first, bring the thread in line (leave.c), and go on in
 * the C library's or the unwinder's.
 */
#define _GNU_SOURCE
#include "arch/x86_64/frame.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>

/* The C library's functions, by their numbers in longjmp.S. */
void *green_next_longjmp[4];

/* A static program has no other longjmp() than libgreen's. */
static _Noreturn void jump(jmp_buf env, int val)
{
	if (env->__mask_was_saved)
		sigprocmask(SIG_SETMASK, &env->__saved_mask, NULL);
	green_jump(env, val ?: 1);
}

void *green_find_longjmp(unsigned int i);
void *green_find_longjmp(unsigned int i)
{
	static const char *const name[] = {
		"longjmp", "_longjmp", "siglongjmp", "__longjmp_chk",
	};

	green_next_longjmp[i] = dlsym(RTLD_NEXT, name[i]) ?: (void *)jump;
	return green_next_longjmp[i];
}

/* Now, for there may be little stack later, or a signal handler around. */
static void __attribute__((constructor)) find_all(void)
{
	for (unsigned int i = 0; i < 4; i++)
		green_next_longjmp[i] = dlsym(RTLD_NEXT, i < 3 ? "siglongjmp" : "__longjmp_chk") ?:
					(void *)jump;
}

/*
 * Called by the personality of each frame that an exception is about to continue in, on
 * top of all that it leaves. Weak: where the unwinder is linked in statically it is
 * that one's, and exceptions are noticed late.
 */
void _Unwind_SetIP(void *context, uintptr_t ip);
void __attribute__((weak)) _Unwind_SetIP(void *context, uintptr_t ip)
{
	static uintptr_t (*get_cfa)(void *);
	static void (*set_ip)(void *, uintptr_t);

	if (!set_ip) {
		get_cfa = (uintptr_t (*)(void *))dlsym(RTLD_DEFAULT, "_Unwind_GetCFA");
		set_ip = (void (*)(void *, uintptr_t))dlsym(RTLD_NEXT, "_Unwind_SetIP");
	}
	/* The stack pointer of that frame: the end of the one that it called. */
	green_leave_frames(get_cfa(context));
	set_ip(context, ip);
}
