#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: soak.sh [seconds]
# SOAK_SECONDS (600) long, on four workers: 1,000 threads whose stacks others move (soak.c),
# and channels under all that can happen (chans.c); with the library as it is and with
# one built by ThreadSanitizer, all at the same time. Fails if any result is wrong, or the
# sanitizer says anything.
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-${SOAK_SECONDS:-600}}
out=$top/build/soak
greencc=${GREENCC:-$top/build/greencc/greencc}
mkdir -p "$out" && cd "$out" || exit

build() # directory, flags
{
	local dir=$1
	shift

	make -s -C "$top/libuser" OUT="$out/$dir" CFLAGS="-O2 -g $*" >/dev/null &&
	"$greencc" -O2 -g -I"$top/include" -c "$top/selftests/libuser/soak.c" -o "$dir/soak.o" &&
	"$greencc" -O2 -g -I"$top/include" -c "$top/selftests/libuser/chans.c" -o "$dir/chans.o" &&
	gcc "$@" "$dir/chans.o" "$dir/libgreen.a" -luring -o "$dir/chans" &&
	gcc -O2 -g -I"$top/include" -c "$top/selftests/libuser/foreign.c" -o "$dir/foreign.o" &&
	gcc "$@" "$dir/soak.o" "$dir/foreign.o" "$dir/libgreen.a" -luring -lm -o "$dir/soak"
}

pids=()
trap '[ -z "${pids[*]}" ] || kill "${pids[@]}" 2>/dev/null' EXIT
build plain || exit
build tsan -fsanitize=thread || exit
for kind in plain tsan; do
	for program in soak chans; do
		"$kind/$program" "$seconds" 4 >"$kind-$program.log" 2>&1 &
		pids+=($!)
	done
done
bad=0
for pid in "${pids[@]}"; do
	wait "$pid" || bad=1
done
pids=()
for log in {plain,tsan}-{soak,chans}.log; do
	echo "== ${log%.log}"
	grep -E '^(# *[a-zA-Z].*[0-9]$|ok |not ok )' "$log"
done
warnings=$(cat tsan-*.log | grep -c 'WARNING: ThreadSanitizer')
echo "ThreadSanitizer's warnings: $warnings"
[ $bad = 0 ] && [ "$warnings" = 0 ]
