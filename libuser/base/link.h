/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A list, doubly linked. */
#ifndef GREEN_BASE_LINK_H
#define GREEN_BASE_LINK_H

struct green_link {
	struct green_link *next, *prev;
};

#endif
