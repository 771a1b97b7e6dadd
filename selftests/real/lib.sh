# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh disable=SC2034
# For the scripts of this directory: the tools, and a program's build as a
# green thread. GREENCC names the driver, LIBGREEN the library, CLANG what they
# are compared with.
here=$(dirname "$(readlink -f "$0")")
top=$here/../..
cc=${GREENCC:-$top/build/greencc/greencc}
lib=${LIBGREEN:-$top/build/libuser/libgreen.a}
ref=${CLANG:-clang-22}
cache=${GREEN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/green}/real
pace=$("$top/tools/pace")	# what time limits are multiplied by
tests=0
failed=0

# What follows the objects of a program whose main() is to be a green thread.
build_wrapper() { # directory
	"$cc" -O2 -fno-green-growth -I"$top/include" -c "$here/main.c" -o "$1/green-main.o" ||
		return
	on_green="$1/green-main.o $lib -luring -Wl,--wrap=__libc_start_main"
}

report() { # status name
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
	else
		echo "not ok $tests - $2"
		failed=$((failed + 1))
	fi
}

# The sum of a column of the lines "moves M refused R ..." in a file.
count() { # column file
	awk -v col="$1" '$1 == "moves" { n += $col } END { print n + 0 }' "$2"
}

moves() { count 2 "$1"; }
refusals() { count 4 "$1"; }
words() { count 6 "$1"; }
segments() { count 10 "$1"; }

# The most frequent kinds of refusal, as comments: how often, why, and where.
explain() { # file
	awk '$1 == "refusal" { times = $2; $1 = $2 = ""; n[substr($0, 3)] += times }
		END { for (i in n) print "#", n[i], i }' "$1" | sort -k2,2nr | head -n "${TOP:-5}"
}
