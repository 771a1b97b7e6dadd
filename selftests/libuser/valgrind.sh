#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# valgrind gives a program less address space than the default arena, and reads the call
# frame information of all of it.
cd "$(dirname "$0")" || exit

echo TAP version 13
if ! command -v valgrind >/dev/null; then
	echo '1..0 # SKIP no valgrind'
	exit 0
fi
echo 1..1
said=$(valgrind -q --tool=none ./joined 2>&1)
status=$?
# What it does not know of debug information is no matter.
said=$(echo "$said" | grep -v '^### ')
if [ $status = 0 ] && [ -z "$said" ]; then
	echo 'ok 1 a program with segments runs under valgrind'
else
	echo 'not ok 1 a program with segments runs under valgrind'
	echo "$said" | sed "s/^/# $status: /"
fi
