/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Descriptors of threads, and their handles. */
#ifndef GREEN_BASE_HANDLE_H
#define GREEN_BASE_HANDLE_H

#include <green.h>

struct green;
struct green_worker;

struct green *green_descriptor_get(struct green_worker *w);
/* First the one, with the thread's lock, then the other, without. */
void green_descriptor_retire(struct green *t);
void green_descriptor_put(struct green_worker *w, struct green *t);
void green_descriptors_exit(void);
/* Those from 0 on that have a thread; more may come and go meanwhile. */
unsigned long green_descriptors(void);
struct green *green_thread_at(unsigned long i);
/* The thread that has it, or NULL if none has. It may end at any time. */
struct green *green_of(const green_t *handle);
/* ... and cannot go while the caller has its lock. */
struct green *green_of_locked(const green_t *handle);

#endif
