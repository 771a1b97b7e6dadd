/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Functions that an ordinary compiler builds: nothing knows their frames. */
#ifndef FOREIGN_H
#define FOREIGN_H

/* Call fn(arg) from a frame without a map. */
void foreign_call(void (*fn)(void *), void *arg);

/* To be deferred: *p += 1. */
void foreign_count(int *p);

/* How many frames the chain of frame pointers has, its own included. */
int foreign_frames(void);

/* Touches @bytes of stack; returns 1. */
int foreign_takes(unsigned int bytes);

/* Has a local of @bytes and touches its lowest; returns 1. @bytes: at, unsigned int. */
int foreign_low(unsigned int bytes);
void foreign_low_start(void *bytes);

/* Where its frame is. */
unsigned long foreign_sp(void);

/* To be deferred: the room below its frame in the stack that it runs on. */
void foreign_room(unsigned long *room);

/* The start of a thread; @info: struct green_stack_info, to be filled. */
void foreign_stack_info(void *info);
void untested_stack_info(void *info);

#endif
