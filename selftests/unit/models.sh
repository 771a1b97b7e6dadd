#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Checks the models of libuser/*/*.pml with spin: as they are they hold, whatever the
# order of steps; with any of the mistakes that they name M_... they do not. Prints TAP.
src=$(dirname "$(readlink -f "$0")")/../../libuser
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
cd "$dir" || exit
n=0

report() { # status name
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		echo "not ok $n $2"
		sed 's/^/# /' out
	fi
}

# "holds", "fails", or what was in the way: of a search that was not cut short.
check() { # model, options
	model=$1
	shift
	spin "$@" -a "$model" >out 2>&1 &&
	gcc -O0 -DSAFETY -w -o pan pan.c >>out 2>&1 &&
	./pan -m100000 >out 2>&1 || return
	if grep -q 'errors: 0' out && ! grep -q 'not completed\|too small' out; then
		echo holds
	elif grep -q '^pan:.*\(assertion violated\|invalid end state\)' out; then
		echo fails
	fi
}

echo TAP version 13
if ! command -v spin >/dev/null; then
	echo '1..0 # SKIP no spin'
	exit 0
fi
models=$(find "$src" -name '*.pml' | sort)
mistakes=$(echo "$models" | xargs cat | grep -o '\<M_[A-Z][A-Z_]*' | sort -u | wc -l)
echo "1..$(($(echo "$models" | wc -l) + mistakes))"
for model in $models; do
	name=$(basename "$model" .pml)
	[ "$(check "$model")" = holds ]
	report $? "$name holds"
	# shellcheck disable=SC2013 # words
	for mistake in $(grep -o '\<M_[A-Z][A-Z_]*' "$model" | sort -u); do
		[ "$(check "$model" -D"$mistake")" = fails ]
		report $? "$name: $mistake is found"
	done
done
