/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The C library's sigaction(). */
#include "signal/action.h"

#ifdef GREEN_SANITIZED
/* Its sigaction() must see all; handlers that come later are found by looks. */
int green_sigaction(int sig, const struct sigaction *new, struct sigaction *old)
{
	return sigaction(sig, new, old);
}
#else
int __sigaction(int sig, const struct sigaction *new, struct sigaction *old);

int green_sigaction(int sig, const struct sigaction *new, struct sigaction *old)
{
	return __sigaction(sig, new, old);
}
#endif
