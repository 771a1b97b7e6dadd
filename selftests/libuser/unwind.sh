#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# gdb unwinds from the runtime's stack through the switch to the green thread,
# from the scheduler to the caller of green_run(), and from segment to segment; so
# does perf, by frame pointers. And gdb's commands for green threads.
cd "$(dirname "$0")" || exit

echo TAP version 13
if ! command -v gdb >/dev/null; then
	echo '1..0 # SKIP no gdb'
	exit 0
fi
echo 1..10

# The functions of a backtrace of $2 at breakpoint $1, innermost first, in one line.
functions()
{
	gdb -q -batch -ex 'set debuginfod enabled off' -ex "break $1" -ex run -ex bt \
		"./${2:-parked}" 2>&1 |
		sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\([a-z_A-Z0-9]*\) .*/\2/p' |
		tr '\n' ' '
}

# Whether $2 contains $1; otherwise print it as a comment.
expect()
{
	case $2 in
	*"$1"*) echo "ok $3" ;;
	*) echo "not ok $3"; echo "# $2" ;;
	esac
}

expect 'green_enter third second first green_thread_start ' \
	"$(functions rt_yield)" '1 from the runtime to the green thread'
expect 'green_schedule green_next enter workers_run green_run main ' \
	"$(functions green_schedule | sed 's/__libc.*//; s/run_to_end //g')" '2 from the scheduler to green_run'
expect 'green_enter third green_segment_join second green_segment_join_far first green_thread_start ' \
	"$(functions rt_yield joined)" '3 from segment to segment'
expect 'rt_stack_grow green_enter green_stack_morestack second first green_thread_start ' \
	"$(functions rt_stack_grow joined)" '4 from the runtime through growth'

# At each of $3 instructions from $2 on the backtrace of joined ends as it should.
steps()
{
	commands=$(mktemp) || exit
	cat >"$commands" <<-EOF
		set debuginfod enabled off
		break *$2
		run
		set \$i = 0
		while \$i < $3
			bt
			stepi
			set \$i = \$i + 1
		end
	EOF
	ends=$(gdb -q -batch -x "$commands" ./joined 2>&1 |
		grep -c '^#[0-9]* .* in green_thread_start ')
	rm -f "$commands"
	if [ "$ends" = "$3" ]; then
		echo "ok $1 at each instruction of $2"
	else
		echo "not ok $1 at each instruction of $2"
		echo "# $ends of $3"
	fi
}

steps 5 green_stack_morestack_far 24
steps 6 green_segment_leave 20
steps 7 green_enter 30

# The helper's commands, when the last thread of $1 has just parked.
helper()
{
	gdb -q -batch -ex 'set debuginfod enabled off' -x "$helper" -ex 'break green_schedule' \
		-ex run -ex continue -ex continue -ex 'green threads' -ex 'green bt 2' \
		-ex 'green bt 99' -ex bt "./$1" 2>&1 | tr -s ' \n' ' '
}

helper=../../../tools/gdb/green-gdb.py
expect ' 2 - ready 258048 ' "$(helper parked)" '8 gdb: green threads'
case $(helper joined) in
*'#0 third '*'#2 '*' in second '*'#4 '*' in first '*'#5 '*' in green_thread_start '*'no green thread has the id 99'*'#0 green_schedule '*)
	echo 'ok 9 gdb: green bt' ;;
*)
	echo 'not ok 9 gdb: green bt' ;;
esac

# Samples of frames on three segments: all of them are in the chain.
data=$(mktemp) || exit
if perf record -q -e cpu-clock:u --call-graph fp -o "$data" ./busy >/dev/null 2>&1; then
	perf script -i "$data" -F ip,sym 2>/dev/null | awk -v RS= '
		/ spin\n/ { n++ }
		/spin.*middle.*outermost.*green_thread_base/ { whole++ }
		END {
			good = n >= 20 && whole >= n * 0.99
			print (good ? "ok" : "not ok") " 10 perf, by frame pointers"
			print "# " whole " of " n " samples"
		}'
else
	echo 'ok 10 # SKIP perf may not record here'
fi
rm -f "$data"
