/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What workers share, and the lock that guards it. */
#include "base/runtime.h"
#include "base/worker.h"

#include <pthread.h>

GREEN_PER_RUN struct green_runtime green_rt;
GREEN_PER_RUN int green_shared;
atomic_flag green_runs = ATOMIC_FLAG_INIT;

__thread struct green_worker *green_worker;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void green_lock(void)
{
	if (green_shared)
		pthread_mutex_lock(&lock);
}

void green_unlock(void)
{
	if (green_shared)
		pthread_mutex_unlock(&lock);
}

void green_lock_wait(pthread_cond_t *cond)
{
	pthread_cond_wait(cond, &lock);
}
