/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where the assembly finds what C has declared. The build compiles this file to
 * assembly, and makes offsets.h of its lines that begin with "->".
 */
#include "arch/x86_64/frame.h"
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "memory/slot.h"
#include "stack/prove_defers.h"
#include "stack/segment.h"
#include "unwind/panic.h"

#include <assert.h>
#include <stddef.h>

#define DEFINE(name, value)						\
	__asm__ volatile("\n->" #name " %c0" : : "i"((unsigned long)(value)))
#define OFFSET(name, type, member)	DEFINE(name, offsetof(struct type, member))

void green_offsets(void);
void green_offsets(void)
{
	OFFSET(T_SP, green, sp);
	OFFSET(T_RET, green, ret);
	OFFSET(T_LIMIT, green, limit);
	OFFSET(T_LO, green, lo);
	OFFSET(T_HI, green, hi);
	OFFSET(T_TRY, green, try);
	OFFSET(T_SLOT, green, slot);
	OFFSET(T_SEGMENT, green, segment);
	OFFSET(T_RARE, green, rare);

	OFFSET(R_PANICS, green_rare, panics);
	OFFSET(R_SPARE, green_rare, spare);
	OFFSET(R_VALUES, green_rare, values);

	OFFSET(S_LO, green_segment, lo);
	OFFSET(S_HI, green_segment, hi);
	OFFSET(S_LIMIT, green_segment, limit);
	OFFSET(S_SP, green_segment, sp);
	OFFSET(S_SLOT, green_segment, slot);
	OFFSET(S_OUTER, green_segment, outer);
	OFFSET(S_RBP, green_segment, rbp);

	OFFSET(SLOT_NEXT, green_slot, next);

	OFFSET(W_SP, green_worker, sp);
	OFFSET(W_CURRENT, green_worker, current);
	OFFSET(W_AFTER, green_worker, after);
	OFFSET(W_OS_SP, green_worker, os_sp);
	OFFSET(W_RUNNING, green_worker, running);
	OFFSET(W_FRAMES, green_worker, frames);
	OFFSET(W_GROW, green_worker, doors.grow);
	OFFSET(W_EXIT, green_worker, doors.exit);
	OFFSET(W_DESTROY, green_worker, doors.destroy);
	OFFSET(W_END, green_worker, doors.end);

	DEFINE(SAVED_SIZE, sizeof(struct green_saved));
	DEFINE(ENTRY_SIZE, sizeof(struct green_entry));
	OFFSET(ENTRY_FLAGS, green_entry, flags);
	DEFINE(ENTRY_FAR, GREEN_ENTRY_FAR);
	DEFINE(ENTRY_FIXED, GREEN_ENTRY_FIXED);

	OFFSET(D_FN, green_defer, fn);
	OFFSET(D_FLAGS, green_defer, flags);
	OFFSET(D_ARGS, green_defer, args);
	DEFINE(RECORD_UNTESTED, GREEN_RECORD_UNTESTED);
}

/* What the assembly pushes on top of a struct green_saved, and where it looks by itself. */
static_assert(sizeof(struct green_segment) % 16 == 0, "frames are aligned");
static_assert(sizeof(struct green_try) == sizeof(struct green_saved) + 16, "green_try()");
static_assert(offsetof(struct green_try, panics) == 0, "green_try()");
static_assert(offsetof(struct green_scope, pending) == 0, "green_defer_leave()");
static_assert(offsetof(struct green_segment, lo) == 0, "rsp points there");
