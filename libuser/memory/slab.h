/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Slots of less than a page, packed. */
#ifndef GREEN_MEMORY_SLAB_H
#define GREEN_MEMORY_SLAB_H

struct green_slot;

struct green_slot *green_slab_get(unsigned int size);
void green_slab_put(struct green_slot *slot);
void green_slabs_exit(void);

#endif
