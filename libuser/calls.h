/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the public calls do, on the worker's stack. */
#ifndef GREEN_CALLS_H
#define GREEN_CALLS_H

#include <green.h>
#include <green_sync.h>
#include <sys/socket.h>

#define CALL(returns, name, parameters, ...) returns rt_##name parameters;
#define FAST(returns, name, parameters, ...)				\
	returns rt_##name parameters;					\
	returns rt_##name##_here parameters;
#define INNER CALL
#include <green/calls.def>
void rt_stack_grow(uint64_t need, uint64_t taken);
void rt_thread_exit(long ret);

#endif
