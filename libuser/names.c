/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What greencc knows of the C library's functions it knows by name: how much stack
 * they take, and that they keep nothing of what they are passed. A program may have a
 * function of that name itself, and what it does is not known then. So each file
 * lists the names that it relied on, in the section green_names, and before threads
 * run each must turn out to be the C library's function, or be mapped: such a
 * function was compiled with the knowledge that its callers are mistaken in it
 * (tools/greencc/pass/Names.cpp). So too with the names of libgreen's own calls, which
 * must be just those.
 *
 * Allocators are often replaced, and as a whole: whoever has malloc(), free() and
 * realloc() is one, and does what C says.
 */
#define _GNU_SOURCE
#include "../tools/greencc/ways.h"
#include "base/fail.h"
#include "maps/registry.h"
#include "names.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct green_name __start_green_names[]
	__attribute__((weak, visibility("hidden")));
extern const struct green_name __stop_green_names[]
	__attribute__((weak, visibility("hidden")));

static void __attribute__((constructor)) check_ways(void)
{
	green_ways_check();
}

#define TEXT	320

struct object {
	uintptr_t addr;
	const char *path;		/* NULL: not found */
	bool interpreted;		/* has a dynamic linker */
};

static int look_into(struct dl_phdr_info *info, size_t size, void *data)
{
	struct object *o = data;
	bool found = false;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		o->interpreted |= ph->p_type == PT_INTERP;
		found |= ph->p_type == PT_LOAD &&
			 o->addr - (info->dlpi_addr + ph->p_vaddr) < ph->p_memsz;
	}
	if (found && !o->path)
		o->path = info->dlpi_name;
	return 0;
}

/*
 * Linkers lay out what they are given in this order: _start(), the program, libgreen
 * as one of its last parts, the C library. What is unlikely to run is put before all.
 */
static bool is_of_static_program(uintptr_t addr)
{
	extern const char _start[] __attribute__((weak));
	extern const char green_ways_out[] __attribute__((visibility("hidden")));

	return _start && addr >= (uintptr_t)_start && addr < (uintptr_t)green_ways_out;
}

static bool is_libc(const struct object *o)
{
	static const char *const names[] = {
		"libc.", "libc-", "libm.", "libm-", "libmvec", "libpthread", "librt.",
		"librt-", "libdl.", "libdl-", "libresolv", "ld-", "linux-vdso",
		/* They hand on what they are called for. */
		"libtsan.", "libasan.",
	};
	const char *slash = strrchr(o->path, '/');
	unsigned int i;

	if (!*o->path)
		return !o->interpreted && !is_of_static_program(o->addr);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(slash ? slash + 1 : o->path, names[i], strlen(names[i])))
			return true;
	return false;
}

/*
 * In a program that is not position-independent the address of a library's function
 * may be one of a jump to it: [endbr64] [bnd] jmp *entry(%rip).
 */
static uintptr_t behind_jump(uintptr_t addr, const char *name)
{
	const unsigned char *p = (const unsigned char *)addr;

	if (!memcmp(p, "\xf3\x0f\x1e\xfa", 4))
		p += 4;
	if (*p == 0xf2)
		p++;
	if (p[0] != 0xff || p[1] != 0x25)
		return addr;
	return (uintptr_t)dlsym(RTLD_NEXT, name) ?: addr;
}

static struct object object_of(uintptr_t addr)
{
	struct object o = { .addr = addr };

	dl_iterate_phdr(look_into, &o);
	return o;
}

static bool is_same_object(const struct object *o, const void *fn, const char *name)
{
	struct object other = object_of(behind_jump((uintptr_t)fn, name));

	return o->path && other.path && !strcmp(o->path, other.path);
}

static bool is_allocator(const struct object *o, const char *name)
{
	static const char *const names[] = {
		"malloc", "calloc", "realloc", "reallocarray", "free", "aligned_alloc",
		"memalign", "posix_memalign", "valloc", "malloc_usable_size",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return is_same_object(o, malloc, "malloc") &&
			       is_same_object(o, free, "free") &&
			       is_same_object(o, realloc, "realloc");
	return false;
}

/* Of each only the address matters. */
#define NAME(name) extern const char at_##name[] __asm__("green_" #name);
#define CALL(returns, name, ...) NAME(name)
#define FAST CALL
#define HERE NAME
#define LOOK NAME
#define HOLD NAME
#include <green/calls.def>
#undef NAME

/* libgreen's call of that name, or 0. */
static uintptr_t own_call(const char *name)
{
#define NAME(name) { "green_" #name, at_##name },
	static const struct {
		const char *name, *at;
	} calls[] = {
#define CALL(returns, name, ...) NAME(name)
#define FAST CALL
#define HERE NAME
#define LOOK NAME
#define HOLD NAME
#include <green/calls.def>
	};
#undef NAME
	unsigned int i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!strcmp(name, calls[i].name))
			return (uintptr_t)calls[i].at;
	return 0;
}

static bool is_as_assumed(uintptr_t addr, const char *name, struct object *o)
{
	struct green_map m;
	uintptr_t own = own_call(name);

	if (!addr)
		return true;
	*o = object_of(addr);
	if (own)
		return addr == own;
	if (green_map_find((const void *)addr, &m) && !strcmp(m.name, name))
		return true;
	return o->path && (is_libc(o) || is_allocator(o, name));
}

/* What is wrong with the first that is not; false if nothing is. */
static bool is_mistaken(const struct green_name *n, const struct green_name *end,
			char text[TEXT])
{
	for (; n < end; n++) {
		const char *name = (const char *)&n->name + n->name;
		uintptr_t addr = *(const uintptr_t *)((const char *)&n->entry + n->entry);
		struct object o;

		if (is_as_assumed(addr, name, &o) ||
		    is_as_assumed(behind_jump(addr, name), name, &o))
			continue;
		snprintf(text, TEXT, "%s() of %s is not %s: compile its callers with "
			 "-fno-builtin-%s", name, o.path && *o.path ? o.path : "this program",
			 own_call(name) ? "libgreen's" :
			 "the C library's, nor compiled by greencc", name);
		return true;
	}
	return false;
}

/* ---- libraries bring lists of their own ------------------------------------ */

static struct {
	pthread_mutex_t lock;
	bool checked;			/* green_run() has begun once */
	struct green_names *first;
} libraries = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Of a library that is being loaded; if threads run already, there is no way back. */
void green_names_add(struct green_names *n)
{
	char text[TEXT];
	bool said = false;

	pthread_mutex_lock(&libraries.lock);
	if (libraries.checked && is_mistaken(n->start, n->end, text)) {
		green_complain(&said, "%s", text);
		abort();
	}
	n->next = libraries.first;
	libraries.first = n;
	pthread_mutex_unlock(&libraries.lock);
}

void green_names_remove(struct green_names *n)
{
	struct green_names **link;

	pthread_mutex_lock(&libraries.lock);
	for (link = &libraries.first; *link; link = &(*link)->next)
		if (*link == n) {
			*link = n->next;
			break;
		}
	pthread_mutex_unlock(&libraries.lock);
}

/* Behind green_maps_init(). Returns 0, or -ELIBBAD with the reason in words. */
int green_names_init(void)
{
	const struct green_names *n;
	bool mistaken = false;
	char text[TEXT];

	pthread_mutex_lock(&libraries.lock);
	if (!libraries.checked) {
		mistaken = is_mistaken(__start_green_names, __stop_green_names, text);
		for (n = libraries.first; !mistaken && n; n = n->next)
			mistaken = is_mistaken(n->start, n->end, text);
		libraries.checked = !mistaken;
	}
	pthread_mutex_unlock(&libraries.lock);
	return mistaken ? green_fail(-ELIBBAD, "%s", text) : 0;
}
