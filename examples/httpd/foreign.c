/* SPDX-License-Identifier: MIT */
/*
 * Stands for a library that came compiled: the system's compiler builds this
 * file, so nobody knows what its functions keep on a stack. A stack on which
 * one of them is deferred does not move.
 */
#include "httpd.h"

void foreign_count(uint64_t *counter)
{
	++*counter;
}
