#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The tests of mapped code again, with a move in every runtime call; and with
# adjustments left out, which they must notice: by what goes wrong in them, not
# by moves that are refused from then on.
cd "$(dirname "$0")" || exit

echo TAP version 13
echo 1..16

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
kinds_refused() # the output of a program with trace=1
{
	sed -n 's/^.*green: not moved: //p' "$1" | sort -u
}

# $1: a program; $2: so many moves there are at least, whatever goes wrong
notices()
{
	GREEN_DEBUG=move=call,trace=2 "./$1" >whole 2>&1
	# busybox's grep takes an empty list for one that has all lines.
	{ echo none; kinds_refused whole; } >whole.kinds
	for skip in 1 3; do
		if GREEN_TEST_LIMIT=2 GREEN_DEBUG=move=call,skip=$skip,trace=2 "./$1" >left 2>&1; then
			echo "# $1 passes with one adjustment in $skip left out"
			return 1
		fi
		kinds_refused left | grep -vxFf whole.kinds >new.kinds
		if [ -s new.kinds ]; then
			echo "# $1 with one adjustment in $skip left out: refused: $(head -n 1 new.kinds)"
			return 1
		fi
		if [ "$(grep -c 'green: moved: ' left)" -lt "$2" ]; then
			echo "# $1 with one adjustment in $skip left out: few moves"
			return 1
		fi
	done
}

if notices move 500 && notices exit 20 && notices panic 20 && notices segment 500; then
	echo "ok 7 adjustments that are left out are noticed, and the moves go on"
else
	echo "not ok 7 adjustments that are left out are noticed, and the moves go on"
fi

for program in move exit panic segment depth-O0 depth-O2 chan select; do
	GREEN_DEBUG=move=call,verify,poison "./$program" >/dev/null 2>&1 || bad=$program
done
for program in mutex sync group; do
	GREEN_DEBUG=move=call,verify,poison "./$program" >/dev/null 2>&1 || bad=$program
done
case ${bad-} in
'') echo "ok 8 all moves are verified" ;;
*) echo "not ok 8 all moves are verified"; echo "# $bad" ;;
esac

# It is found at once, and not when something goes wrong.
case $(GREEN_DEBUG=move=call,verify,skip=50 ./move 2>&1) in
*"verify: after its move "*) echo "ok 9 verify finds what was left out" ;;
*) echo "not ok 9 verify finds what was left out" ;;
esac

# Frames, pointers and defers, with names.
GREEN_DEBUG=move=call,trace=3 ./cancel >trace 2>&1
n=10
for line in 'proof: main 1' ' frame [a-z_]*+0x[0-9a-f]*, [0-9a-f]* to [0-9a-f]*' \
	'  pointer at [0-9a-f]* to [0-9a-f]*' \
	'  defer of [a-z_]*, [0-9]* arguments, on the stack' \
	'moved: [a-z]* [0-9]*: [0-9]* bytes, [0-9]* pointers, [0-9a-f]* to [0-9a-f]*'; do
	if grep -qx "green: $line" trace; then
		echo "ok $n trace: $line"
	else
		echo "not ok $n trace: $line"
	fi
	n=$((n + 1))
done
if GREEN_DEBUG=move=entry,verify,poison ./depth-O0 >/dev/null 2>&1 &&
	GREEN_DEBUG=move=entry,stack=1024 ./depth-O2 >/dev/null 2>&1; then
	echo "ok 15 how deep a stack is does not change by moves on each entry"
else
	echo "not ok 15 how deep a stack is does not change by moves on each entry"
fi
with_moves 16 nomove "what forbids a move does so"
rm -f trace whole left whole.kinds new.kinds
