/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What workers share. */
#include "base/runtime.h"
#include "base/worker.h"

GREEN_PER_RUN struct green_runtime green_rt;
GREEN_PER_RUN int green_shared;
uint64_t green_last_epoch;
atomic_flag green_runs = ATOMIC_FLAG_INIT;

__thread struct green_worker *green_worker;
