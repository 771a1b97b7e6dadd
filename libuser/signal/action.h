/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The C library's sigaction(), which libgreen's stands in front of. */
#ifndef GREEN_SIGNAL_ACTION_H
#define GREEN_SIGNAL_ACTION_H

#include <signal.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)	/* clang's */
#define GREEN_SANITIZED
#endif
#elif defined(__SANITIZE_THREAD__)	/* gcc's */
#define GREEN_SANITIZED
#endif

int green_sigaction(int sig, const struct sigaction *new, struct sigaction *old);

#endif
