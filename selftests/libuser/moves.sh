#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The relocation tests again, with a move in every runtime call; and with one
# adjustment in 200 left out, which they must notice.
cd "$(dirname "$0")" || exit

echo TAP version 13
echo 1..3

if GREEN_DEBUG=move=call ./move >/dev/null 2>&1; then
	echo "ok 1 the tests of moves pass with a move in every call"
else
	echo "not ok 1 the tests of moves pass with a move in every call"
fi
if GREEN_DEBUG=move=call ./sched >/dev/null 2>&1; then
	echo "ok 2 plain threads pass with all their moves refused"
else
	echo "not ok 2 plain threads pass with all their moves refused"
fi
if GREEN_DEBUG=move=call,skip=200 ./move >/dev/null 2>&1; then
	echo "not ok 3 one adjustment in 200 left out is noticed"
else
	echo "ok 3 one adjustment in 200 left out is noticed"
fi
