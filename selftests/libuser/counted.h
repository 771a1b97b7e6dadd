/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The program's heap, counted, and refused on demand. */
#ifndef COUNTED_H
#define COUNTED_H

#include <stdbool.h>

extern bool counted_refuses;		/* all that is asked for */
/* Requests so far, and blocks that are in use. */
long counted_requests(void);
long counted_blocks(void);

#endif
