/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * greencc links this into shared libraries: their maps are registered while they
 * are loaded, if the program has libgreen.
 */
#include <green_ptrmap.h>

#include "names.h"

extern const char __start_green_maps[] __attribute__((weak, visibility("hidden")));
extern const char __stop_green_maps[] __attribute__((weak, visibility("hidden")));

extern const struct green_name __start_green_names[]
	__attribute__((weak, visibility("hidden")));
extern const struct green_name __stop_green_names[]
	__attribute__((weak, visibility("hidden")));

#pragma weak green_names_add
#pragma weak green_names_remove
#pragma weak green_ptrmap_register
#pragma weak green_ptrmap_unregister

static const struct green_ptrmap_set set = { __start_green_maps, __stop_green_maps };

static struct green_names names = { __start_green_names, __stop_green_names, 0 };

static void __attribute__((constructor)) loaded(void)
{
	/* Without memory its frames stay where they are. */
	if (set.start && green_ptrmap_register)
		green_ptrmap_register(&set);
	if (names.start && green_names_add)
		green_names_add(&names);
}

static void __attribute__((destructor)) unloaded(void)
{
	if (set.start && green_ptrmap_unregister)
		green_ptrmap_unregister(&set);
	if (names.start && green_names_remove)
		green_names_remove(&names);
}
