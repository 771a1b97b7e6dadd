/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* In what order things happened: a letter each. */
#ifndef NOTES_H
#define NOTES_H

#include <string.h>

static char notes[256];
static size_t nr_notes;

static void note(int c)
{
	if (nr_notes < sizeof(notes) - 1)
		notes[nr_notes++] = c;
}

static void clear_notes(void)
{
	memset(notes, 0, sizeof(notes));
	nr_notes = 0;
}

#endif
