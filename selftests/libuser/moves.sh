#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The tests of mapped code again, with a move in every runtime call; and with one
# adjustment in 200 left out, which they must notice.
cd "$(dirname "$0")" || exit

echo TAP version 13
echo 1..7

# $1: the test's number; $2: a program; $3: what is said of it
with_moves()
{
	if GREEN_DEBUG=move=call "./$2" >/dev/null 2>&1; then
		echo "ok $1 $3"
	else
		echo "not ok $1 $3"
	fi
}

with_moves 1 move "the tests of moves pass with a move in every call"
with_moves 2 exit "the tests of defers do"
with_moves 3 cancel "the tests of cancellation do"
with_moves 4 panic "the tests of panics do"
with_moves 5 sched "plain threads pass with all their moves refused"
with_moves 6 segment "the tests of segments do"
if GREEN_DEBUG=move=call,skip=200 ./move >/dev/null 2>&1; then
	echo "not ok 7 one adjustment in 200 left out is noticed"
else
	echo "ok 7 one adjustment in 200 left out is noticed"
fi
