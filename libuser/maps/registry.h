/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The registry of pointer maps: functions by their addresses. */
#ifndef GREEN_MAPS_REGISTRY_H
#define GREEN_MAPS_REGISTRY_H

#include "maps/record.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

int green_maps_init(void);
/* By an address inside the function. */
bool green_map_find(const void *pc, struct green_map *m);
/* GREEN_MAP_* and GREEN_MAPPED of the function that @pc lies in; 0 without a map. */
#define GREEN_MAPPED (1u << 31)
uint32_t green_map_flags(const void *pc);
/* ... of the one that begins at @func. */
uint32_t green_map_flags_of(const void *func);
/* Counts up whenever sets come or go. */
extern atomic_uint green_map_changes;

#endif
