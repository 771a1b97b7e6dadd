/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * For tests that know in which order things happen: one worker, and threads that let others
 * run nowhere but where they wait.
 */
#ifndef ALONE_H
#define ALONE_H

#include <green.h>

#define ALONE .workers = 1

static const struct green_options alone __attribute__((unused)) = { ALONE };

#endif
