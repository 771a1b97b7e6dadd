#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# usage: run.sh suite kernel program...
# Runs test programs that print TAP. What it prints itself are TAP comments,
# from which tap.awk knows where a program begins and how it ended. It runs in
# the test VM, too, and so asks for no more than busybox has.
#
# Each program is a session of its own, and what is left of that is killed when
# the program ends: a forgotten child would keep the output's pipe open.

suite=$1 kernel=$2
shift 2

# Kill what there is of session $1.
kill_session()
{
	for stat in /proc/[0-9]*/stat; do
		# pid (name) state parent group session ...
		{ read -r line <"$stat"; } 2>/dev/null || continue
		pid=${line%% *}
		line=${line##*) }
		line=${line#* * * }
		[ "${line%% *}" = "$1" ] && kill -KILL "$pid"
	done
}

trap 'kill_session "$session"; exit 130' INT TERM

echo "# suite $suite $kernel: $# programs"
for program; do
	name=$(basename "$program")
	cd "$(dirname "$program")" || exit
	limit=$(sed -n 's/^timeout=//p' settings 2>/dev/null)

	echo "# begin $suite $kernel $name"
	setsid timeout -k 5 "${limit:-120}" "./$name" </dev/null 2>&1 &
	session=$!
	wait $session
	status=$?
	kill_session $session
	printf '\n# end %d\n' $status
done
