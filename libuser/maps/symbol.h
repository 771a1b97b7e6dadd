/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Names of code without maps. */
#ifndef GREEN_MAPS_SYMBOL_H
#define GREEN_MAPS_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>

bool green_is_code(const void *pc);
void green_symbol(const void *pc, char *buf, size_t n);
/* function+0xoffset; @ret: it is a return address, which may be behind the function's end. */
void green_place(const void *pc, bool ret, char *buf, size_t n);

#endif
