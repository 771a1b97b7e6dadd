/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What defer.c and defer_cxx.cc share. */
#ifndef DEFER_H
#define DEFER_H

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions that C++ deferred were called with, in text. */
extern char defer_said[256];

void defer_from_cxx(int i, long l, void *p);
void defer_from_cxx_and_throw(int i);

#ifdef __cplusplus
}
#endif
#endif /* DEFER_H */
