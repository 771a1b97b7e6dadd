/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Descriptors of threads, and their handles. */
#ifndef GREEN_BASE_HANDLE_H
#define GREEN_BASE_HANDLE_H

#include <green.h>

struct green;

struct green *green_descriptor_get(void);
void green_descriptor_put(struct green *t);
void green_descriptors_exit(void);
/* The thread that has it, or NULL if none has. */
struct green *green_of(const green_t *handle);

#endif
