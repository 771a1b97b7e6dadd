/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the public calls do, on the worker's stack. */
#ifndef GREEN_CALLS_H
#define GREEN_CALLS_H

#include <green.h>
#include <green_sync.h>
#include <sys/socket.h>

#define OUTSIDE_ZERO(returns, name, parameters)
#define OUTSIDE_EPERM(returns, name, parameters)
#define OUTSIDE_INBOX(returns, name, parameters) returns rt_##name##_outside parameters;
#define CALL(returns, name, parameters, nr_args, kinds, outside)		\
	returns rt_##name parameters;					\
	OUTSIDE_##outside(returns, name, parameters)
#define FAST(returns, name, parameters, nr_args, kinds, outside)		\
	returns rt_##name parameters;					\
	returns rt_##name##_here parameters;				\
	OUTSIDE_##outside(returns, name, parameters)
#define INNER CALL
#include <green/calls.def>
#undef OUTSIDE_ZERO
#undef OUTSIDE_EPERM
#undef OUTSIDE_INBOX
void rt_stack_grow(uint64_t need, uint64_t taken);
void rt_thread_exit(long ret);

#endif
