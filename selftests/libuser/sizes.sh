#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The tests of mapped code again, on the smallest stacks, and without the module.
cd "$(dirname "$0")" || exit

out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Whether it passes; else what it said.
passes() {
	"./$1" >"$out" 2>&1 && return
	echo "# $1:"
	sed 's/^/# /' "$out"
	return 1
}

# The result number $1, of $2, with GREEN_DEBUG=$3: those that follow pass.
all() {
	nr=$1 what=$2 verdict=ok
	export GREEN_DEBUG="$3"
	shift 3
	for program; do
		passes "$program" || verdict='not ok'
	done
	echo "$verdict $nr $what"
}

echo TAP version 13
echo 1..3

# First stacks without a sealed page, which the first call or so makes grow.
all 1 'all goes on on packed stacks' stack=2048 move exit cancel panic leave segment soak \
	language-O0 language-O2 chan select chans mutex sync group
all 2 '... which are moved to and fro' stack=1024,move=call,verify move cancel panic leave \
	segment chan select
# Kernels before 6.13 have no guard markers: this is where that shows.
if [ -e /dev/green ]; then
	all 3 'all goes on without the module' backend=user move segment stack soak
else
	echo "ok 3 # SKIP there is no module"
fi
