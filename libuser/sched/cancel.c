/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* green_cancel(): whatever a thread waits for, its kind of wait knows how to end that. */
#include "base/handle.h"
#include "base/thread.h"
#include "calls.h"
#include "sched/wait.h"
#include "unwind/exit.h"

#include <errno.h>

/* A call that is over, though its thread has not run since, keeps its result. */
int rt_cancel(green_t *handle)
{
	struct green *t = green_of(handle);

	if (!t || t->state == STATE_DONE)
		return -EINVAL;
	if (t->cancel != CANCEL_NONE)
		return 0;
	t->cancel = CANCEL_ASKED;
	if (!green_cancel_is_due(t) || !green_claim(t))
		return 0;
	if (t->wait->abort && !t->wait->abort(t))
		return 0;
	green_cancel_point(t);
	green_ready(t);
	return 0;
}
