#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: soak.sh [seconds]
# Two workers and 1,000 threads, whose stacks others move: SOAK_SECONDS (600) long,
# with the library as it is and with one built by ThreadSanitizer at the same time; and so
# four workers with channels.
# Fails if any result is wrong, or the sanitizer says anything.
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

build plain || exit
build tsan -fsanitize=thread || exit
plain/soak "$seconds" >plain.log 2>&1 &
pid=$!
plain/chans "$seconds" 4 >chans.log 2>&1 &
chans=$!
tsan/chans "$seconds" 4 >chans-tsan.log 2>&1 &
chans_tsan=$!
trap 'kill "$pid" "$chans" "$chans_tsan" 2>/dev/null' EXIT
tsan/soak "$seconds" 2>&1 | tee tsan.log
tsan=$?
wait "$pid"
plain=$?
wait "$chans"
chans=$?
wait "$chans_tsan"
chans_tsan=$?
trap - EXIT
for kind in plain tsan; do
	echo "== $kind"
	sed -n 's/^# \( *[a-zA-Z].*[0-9]\)$/\1/p' $kind.log
done
for kind in chans chans-tsan; do
	echo "== $kind"
	grep -E '^# |ok ' $kind.log
done
warnings=$(cat tsan.log chans-tsan.log | grep -c 'WARNING: ThreadSanitizer')
echo "ThreadSanitizer's warnings: $warnings"
[ $tsan = 0 ] && [ $plain = 0 ] && [ $chans = 0 ] && [ $chans_tsan = 0 ] && [ "$warnings" = 0 ]
