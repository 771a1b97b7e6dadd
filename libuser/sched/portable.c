/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Who may go on on another OS thread: one that is not bound, and has frames only of code
 * that computes addresses of thread-local variables anew after each call, which is what
 * greencc compiled, and the runtime's.
 */
#include "arch/x86_64/frame.h"
#include "base/thread.h"
#include "maps/registry.h"
#include "sched/portable.h"
#include "stack/frames.h"

static bool computes_addresses(const void *ret)
{
	return green_map_flags((const char *)ret - 1) & (GREEN_MAP_BARRIERS | GREEN_MAP_VERIFIED);
}

bool green_is_portable(const struct green *t, unsigned int most)
{
	struct green_frame f;
	unsigned int i;

	green_frame_first(t, &f);
	if (f.ret == green_thread_entry)
		return true;
	if (t->bound)
		return false;
	green_frame_skip_entry(&f);
	for (i = 0; i < most && f.ret != green_thread_base; i++)
		if ((!green_is_join(f.ret) && !computes_addresses(f.ret)) ||
		    !green_frame_next(&f))
			return false;
	return i < most;
}
