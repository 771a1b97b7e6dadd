#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# usage: run.sh suite kernel program...
# Runs test programs that print TAP. What it prints itself are TAP comments,
# from which tap.awk knows where a program begins and how it ended. It runs in
# the test VM, too, and so asks for no more than busybox has.
#
# The time limits, a program's and each test's of the harness, are multiplied by what
# the machine's pace is when the program starts.
#
# Each program is a session of its own, and what is left of that is killed when
# the program ends: a forgotten child would keep the output's pipe open.

suite=$1 kernel=$2
shift 2
pace=$(cd "$(dirname "$0")/../tools" && pwd)/pace

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

# The first of what the file $1.needs lists, names as in /proc/cpuinfo, that the CPU
# does not have.
lacking()
{
	[ -e "$1.needs" ] || return
	# shellcheck disable=SC2013 # words
	for flag in $(cat "$1.needs"); do
		grep -q "^flags.* $flag\( \|\$\)" /proc/cpuinfo || {
			echo "$flag"
			return
		}
	done
}

trap 'kill_session "$session"; exit 130' INT TERM

echo "# suite $suite $kernel: $# programs"
for program; do
	name=$(basename "$program")
	cd "$(dirname "$program")" || exit
	limit=$(sed -n 's/^timeout=//p' settings 2>/dev/null)

	echo "# begin $suite $kernel $name"
	lacking=$(lacking "$name")
	if [ "$lacking" ]; then
		printf '1..0 # SKIP the CPU lacks %s\n# end 0\n' "$lacking"
		continue
	fi
	GREEN_TEST_PACE=$("$pace") || exit
	export GREEN_TEST_PACE
	setsid timeout -k 5 $((${limit:-300} * GREEN_TEST_PACE)) "./$name" </dev/null 2>&1 &
	session=$!
	wait $session
	status=$?
	kill_session $session
	printf '\n# end %d\n' $status
done
