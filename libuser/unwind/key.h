/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Variables of which each thread has a value of its own. */
#ifndef GREEN_UNWIND_KEY_H
#define GREEN_UNWIND_KEY_H

struct green;
struct green_defer;

/* At the end of @t: the next destructor to call, in t->rare->call; NULL: that was all. */
struct green_defer *green_destructor_take(struct green *t);
void green_values_free(struct green *t);

#endif
