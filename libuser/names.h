/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Are functions whose their names say? */
#ifndef GREEN_NAMES_H
#define GREEN_NAMES_H

/* After green_maps_init(). 0, or -ELIBBAD. */
int green_names_init(void);

#endif
