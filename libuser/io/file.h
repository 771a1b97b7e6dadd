/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Which calls use a descriptor, and whose turn it is at a position. */
#ifndef GREEN_IO_FILE_H
#define GREEN_IO_FILE_H

#include <stdbool.h>

struct green;
struct green_io;
struct green_turns;

int green_files_init(void);
void green_files_exit(void);
void green_files_forked(void);

/* ---- descriptors --------------------------------------------------------- */

/* What follows is called with the lock of the descriptor, which is not negative. */
void green_file_lock(int fd);
void green_file_unlock(int fd);
/* From a call's begin to its end. */
void green_file_enter(struct green *t);
/* Returns the close that it was in the way of, which is to begin; or NULL. */
struct green *green_file_leave(struct green *t);
/* Is a green_close() of @fd on its way? */
bool green_file_closes(int fd);
/*
 * The first in a list along io.fd_next of calls that use @fd, and others; or NULL. The
 * newest comes first: a close that waits for the others, for none begin then.
 */
struct green *green_file_first(int fd);
/* Has one other than @t not ended yet? */
bool green_file_shared(const struct green *t);

/* ---- positions ----------------------------------------------------------- */

/* Of the inode that @io names, and others; those of descriptors come before it. */
struct green_turns *green_turns_lock(const struct green_io *io);
void green_turns_unlock(struct green_turns *turns);
/* Would green_turn_take() of a thread with that @io say yes? */
bool green_turn_is_free(struct green_turns *turns, const struct green_io *io);
/* May @t use the position of the file that its io names? If not, it is begun later. */
bool green_turn_take(struct green_turns *turns, struct green *t);
/* There is one worker, and no call that uses the position of any file. */
bool green_turns_none(void);
/* Returns the call whose turn it is now, which is to begin; or NULL. */
struct green *green_turn_leave(struct green_turns *turns, struct green *t);

#endif
