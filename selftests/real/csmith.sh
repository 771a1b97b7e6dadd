#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: csmith.sh [count] [first seed]
# Random programs by csmith: what they print with the stack moved in every
# entry check must be what clang's print. They make few calls while pointers are
# alive, so one is put at the start of each block and in front of each return. One
# test for each batch of 10 seeds at the LEVELS; then the same with an adjustment
# in 3 left out, which must show in a third of them: by the output, or a crash. (The
# programs keep many pointers that they do not use again.) KEEP is a directory for
# programs that fail. Prints TAP.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
count=${1:-20}
seed=${2:-1}
batch=10
: "${LEVELS:=-O0 -O1 -O2 -Os}"
keep=${KEEP:-}

for tool in csmith "$ref"; do
	command -v "$tool" >/dev/null || { echo "1..0 # SKIP no $tool"; exit 0; }
done
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cd "$dir" || exit 1
build_wrapper "$dir" || exit 1
"$cc" -O2 -c "$here/safepoint.c" -o safepoint.o &&
"$ref" -O2 -c "$here/safepoint.c" -o plain-safepoint.o || exit 1
include=-I${CSMITH_HOME:-/usr}/include/csmith

options() { # level, as in -O2,-fno-inline
	echo "$1" | tr , ' '
}

generate() { # seed
	csmith --seed "$1" --output whole.c >/dev/null &&
	{ echo 'void safepoint(void);' && sed -e 's,^ *{ /\* block id: [0-9]* \*/,& safepoint();,' \
		-e 's,^ *return .*,{ safepoint(); & },' whole.c; } >"$1.c"
}

# A program and what it must say. Fails for those that take too long.
reference() { # seed level
	# shellcheck disable=SC2046
	"$ref" -w $(options "$2") "$include" "$1.c" plain-safepoint.o -o "ref$2" && timeout $((2 * pace)) "./ref$2" >"want$2"
}

build() { # seed level
	# shellcheck disable=SC2046,SC2086
	timeout $((120 * pace)) "$cc" -w $(options "$2") "$include" "$1.c" safepoint.o $on_green -o "green$2"
}

run_moved() { # level debug-words
	# One in seven, if every one takes too long.
	for every in 1 7 997; do
		rm -f stats
		status=0
		GREEN_REAL_STATS=stats GREEN_DEBUG=move=entry:$every$2 \
			timeout $((20 * pace)) "./green$1" >got 2>errors || status=$?
		[ $status = 124 ] || break
	done
	return "$status"
}

same() { # level
	[ "$status" = 0 ] && cmp -s got "want$1"
}

complain() { # seed level
	echo "# seed $1 $2: status $status $(head -n 1 errors)"
	[ -z "$keep" ] || cp "$1.c" "$keep/csmith$1$2.c"
}

# A mutated run is of worth only if there were adjustments to leave out.
mutate() { # level
	[ "$(words stats)" -ge 20 ] || return
	mutants=$((mutants + 1))
	run_moved "$1" ,skip=3 2>/dev/null
	same "$1" || caught=$((caught + 1))
}

mutants=0
caught=0
programs=0
left=$count
while [ "$left" -gt 0 ]; do
	n=$((left < batch ? left : batch))
	first=$seed
	bad=0
	: >all-stats
	while [ $n -gt 0 ]; do
		generate "$seed" || exit 1
		for level in $LEVELS; do
			reference "$seed" "$level" || continue
			if ! build "$seed" "$level" 2>errors; then
				status=build
				complain "$seed" "$level"
				bad=$((bad + 1))
				continue
			fi
			programs=$((programs + 1))
			run_moved "$level" ""
			if ! same "$level"; then
				complain "$seed" "$level"
				bad=$((bad + 1))
				continue
			fi
			cat stats >>all-stats
			mutate "$level"
		done
		rm -f "$seed.c"
		seed=$((seed + 1))
		n=$((n - 1))
		left=$((left - 1))
	done
	report $bad "csmith $first to $((seed - 1)): $(moves all-stats) moves, \
$(words all-stats) pointers, $(refusals all-stats) refusals, $bad mismatches"
done
echo "# $programs programs ran; $caught of $mutants mutated runs were wrong"
[ "$mutants" -gt 0 ] && [ $((caught * 3)) -ge "$mutants" ]
report $? "csmith: a third of the runs with an adjustment in 3 left out go wrong"
echo "1..$tests"
[ $failed = 0 ]
