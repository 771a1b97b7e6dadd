/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a file has in memory is read at once. */
#ifndef GREEN_IO_NOW_H
#define GREEN_IO_NOW_H

#include <stdbool.h>

struct green_io;

/* The descriptor was a file's when it was looked at last, or one equal to it by its low bits. */
void green_now_remember(int fd, bool file);
/*
 * May the current thread try? It may if @fd was a file's, there is one worker, no call that
 * uses a position has begun and not ended, and it has not done so too often since it ran last.
 * Whatever @fd is now, it does no harm.
 */
bool green_now_may_try(int fd);
/* May it if there are several? The caller knows that it is a file. */
bool green_now_may_try_shared(const struct green_io *io);
/*
 * Read as read(2) does, or with @io's off >= 0 pread(2), what can be had without waiting; it
 * is counted in io->done. True: that is the result. If @file is false it is not known to be
 * one, and of something else less than all may be all that there is.
 */
bool green_now_read(struct green_io *io, bool file);
/* Does the file of @fd have to be waited for by another, since it does not say that it would? */
bool green_now_never(int fd);

#endif
