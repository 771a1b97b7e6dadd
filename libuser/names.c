/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What greencc knows of the C library's functions it knows by name: how much stack
 * they take, and that they keep nothing of what they are passed. A program may have a
 * function of that name itself, and what it does is not known then. So each file
 * lists the names that it relied on, in the section green_names, and before threads
 * run each must turn out to be the C library's function, or be mapped: such a
 * function was compiled with the knowledge that its callers are mistaken in it
 * (tools/greencc/pass/Names.cpp).
 *
 * In a static program the C library cannot be told from the rest.
 */
#define _GNU_SOURCE
#include "internal.h"
#include "../tools/greencc/names.h"

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

static bool is_libc(const struct object *o)
{
	static const char *const names[] = {
		"libc.", "libc-", "libm.", "libm-", "libmvec", "libpthread", "librt.",
		"librt-", "libdl.", "libdl-", "libresolv", "ld-", "linux-vdso",
	};
	const char *slash = strrchr(o->path, '/');
	unsigned int i;

	if (!*o->path)
		return !o->interpreted;
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

static bool is_as_assumed(uintptr_t addr, const char *name, struct object *o)
{
	struct green_map m;

	if (!addr)
		return true;
	if (green_map_find((const void *)addr, &m) && !strcmp(m.name, name))
		return true;
	*o = (struct object){ .addr = addr };
	dl_iterate_phdr(look_into, o);
	return o->path && is_libc(o);
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
		snprintf(text, TEXT, "%s() of %s is not the C library's, nor compiled by "
			 "greencc: compile its callers with -fno-builtin-%s", name,
			 o.path && *o.path ? o.path : "this program", name);
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
