// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Code without maps. */
static void *held;

void foreign_keep(void *p);
void *foreign_kept(void);

void foreign_keep(void *p)
{
	held = p;
}

void *foreign_kept(void)
{
	return held;
}
