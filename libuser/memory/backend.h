/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* How the arena's pages are had, given back and moved: the module, or not. */
#ifndef GREEN_BACKEND_H
#define GREEN_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct green_relocs - words to adjust, as word indices from the source
 */
struct green_relocs {
	const uint32_t *word;
	uint32_t nr;
	int64_t delta;
};

/**
 * struct green_backend - all return 0 or -errno; addresses are page-aligned
 * @open:	reserve an arena of @len bytes; -ENODEV: try the next backend
 * @seal:	free the pages; a touch is a SIGSEGV from now on
 * @reset:	free the pages; a touch gives a zeroed page from now on
 * @move:	all or nothing: the bytes of @src appear at @dst with @r applied,
 *		and @src is sealed. Every page of the source is resident, none
 *		of the destination, which is not sealed.
 * @ready:	let the range be used for the first time, and be in core files; NULL:
 *		nothing is to be done
 * @forked:	in a child of fork(): have zeroed memory of the user backend in the arena's
 *		place, which is not the child's; NULL: it is
 * @resume:	switch from the worker's stack to a thread by way of the
 *		kernel, so that its tracepoint sees it; NULL: cannot
 */
struct green_backend {
	const char *name;
	int (*open)(size_t len, uintptr_t *base);
	void (*close)(void);
	int (*seal)(uintptr_t addr, size_t len);
	int (*reset)(uintptr_t addr, size_t len);
	int (*move)(uintptr_t dst, uintptr_t src, size_t len,
		    const struct green_relocs *r);
	int (*ready)(uintptr_t addr, size_t len);
	int (*forked)(void);
	int (*resume)(const void *pc, uintptr_t sp, void *rbx);
};

/* The user backend's arena, at @addr if that is not 0. */
int green_backend_user_map(uintptr_t addr, size_t len, uintptr_t *base);

extern const struct green_backend green_backend_module;
extern const struct green_backend green_backend_user;

#endif /* GREEN_BACKEND_H */
