/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The other workers are frozen: each comes to a stop where it is about to enter the
 * runtime (entry.S looks at green_frozen), or about to stir from its rest. Those two look
 * after a plain store of theirs, w->running or w->still; the one who freezes has all
 * CPUs pass a barrier between its store and its look (membarrier(2)), so that of
 * each pair one sees the other.
 */
#define _GNU_SOURCE
#include "base/freeze.h"
#include "base/runtime.h"
#include "base/worker.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

GREEN_PER_RUN unsigned int green_frozen;

/* One freezes at a time. */
static pthread_mutex_t freezing = PTHREAD_MUTEX_INITIALIZER;

static long quietly(long ret, int old)
{
	if (ret < 0) {
		ret = -errno;
		errno = old;
	}
	return ret;
}

int green_freeze_init(void)
{
	int old = errno;

	return (int)quietly(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
				    0, 0), old);
}

void green_barrier_for_all(void)
{
	int old = errno;

	quietly(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), old);
}

static bool is_frozen(void)
{
	return __atomic_load_n(&green_frozen, __ATOMIC_ACQUIRE);
}

static bool stands_still(const struct green_worker *w)
{
	return __atomic_load_n(&w->running, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&w->still, __ATOMIC_ACQUIRE);
}

void green_freeze(void)
{
	if (!green_shared)
		return;
	pthread_mutex_lock(&freezing);
	__atomic_store_n(&green_frozen, 1, __ATOMIC_RELEASE);
	green_barrier_for_all();
	for (unsigned int i = 0; i < green_rt.nr_workers; i++)
		while (&green_rt.worker[i] != green_worker &&
		       !stands_still(&green_rt.worker[i]))
			sched_yield();
}

void green_thaw(void)
{
	int old = errno;

	if (!green_shared)
		return;
	__atomic_store_n(&green_frozen, 0, __ATOMIC_RELEASE);
	quietly(syscall(SYS_futex, &green_frozen, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1 << 30,
			NULL, NULL, 0), old);
	pthread_mutex_unlock(&freezing);
}

void green_freeze_forked(void)
{
	if (!green_shared)
		return;
	green_frozen = 0;
	pthread_mutex_unlock(&freezing);
}

void green_be_still(struct green_worker *w)
{
	__atomic_store_n(&w->still, true, __ATOMIC_RELEASE);
}

void green_stir(struct green_worker *w)
{
	int old = errno;

	for (;;) {
		__atomic_store_n(&w->still, false, __ATOMIC_RELEASE);
		__asm__ volatile("" : : : "memory");
		if (!is_frozen())
			return;
		__atomic_store_n(&w->still, true, __ATOMIC_RELEASE);
		while (is_frozen())
			quietly(syscall(SYS_futex, &green_frozen,
					FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0), old);
	}
}

/* entry.S, about to enter the runtime. */
void green_wait_for_thaw(void);
void green_wait_for_thaw(void)
{
	green_stir(green_worker);
}
