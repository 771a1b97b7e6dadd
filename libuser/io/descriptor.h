/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a descriptor is, and what can be done with it. */
#ifndef GREEN_IO_DESCRIPTOR_H
#define GREEN_IO_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/stat.h>

/* Type and inode. It asks no file server, which could be this process. 0, or -errno. */
int green_fd_type(int fd, struct statx *sx);
bool green_fd_is_terminal(int fd);

/* It has positions. */
static inline bool green_fd_is_file(const struct statx *sx)
{
	return S_ISREG(sx->stx_mode) || S_ISBLK(sx->stx_mode);
}

/*
 * 0, or what read(2), pread(2) if @at_offset, or write(2) returns at once. @sx is of
 * green_fd_type().
 */
int green_fd_may_read(int fd, const struct statx *sx, bool at_offset);
int green_fd_may_write(int fd, const struct statx *sx);

#endif
