// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Not mapped: it is called from everywhere. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "counted.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *mem);

bool counted_refuses;
static atomic_long requests, blocks;

long counted_requests(void)
{
	return atomic_load(&requests);
}

long counted_blocks(void)
{
	return atomic_load(&blocks);
}

static bool refused(void)
{
	atomic_fetch_add(&requests, 1);
	if (!__atomic_load_n(&counted_refuses, __ATOMIC_RELAXED))
		return false;
	errno = ENOMEM;
	return true;
}

static void *counted(void *mem)
{
	if (mem)
		atomic_fetch_add(&blocks, 1);
	return mem;
}

void *malloc(size_t size)
{
	return refused() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t nr, size_t size)
{
	return refused() ? NULL : counted(__libc_calloc(nr, size));
}

void *realloc(void *old, size_t size)
{
	if (refused())
		return NULL;
	return old ? __libc_realloc(old, size) : counted(__libc_realloc(old, size));
}

void free(void *mem)
{
	if (mem)
		atomic_fetch_sub(&blocks, 1);
	__libc_free(mem);
}
