#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The compiler's tests; prints TAP. GREENCC names the driver.
here=$(dirname "$(readlink -f "$0")")
cc=${GREENCC:-$here/../../build/greencc/greencc}
ref=${CLANG:-clang-22}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
pace=${GREEN_TEST_PACE:-$("$here/../../tools/pace")}
n=0
failed=0

report() { # status name
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		failed=$((failed + 1))
	fi
}


gcc -O2 -Wall -Wextra -c "$here/runtime.c" -o "$dir/runtime.o" &&
gcc -c "$here/switch.S" -o "$dir/switch.o" &&
gcc -I"$here/../../include" -c "$here/../../libuser/arch/x86_64/lend.S" -o "$dir/lend.o" &&
gcc -O2 -c "$here/plain.c" -o "$dir/plain.o" || exit 1
rt="$dir/runtime.o $dir/switch.o $dir/lend.o"

# A program moves at every call, says what clang's says, and is never refused.
move() { # test, options
	prog=$dir/prog
	test=$1
	shift
	: >"$dir/stats"
	# shellcheck disable=SC2086
	"$cc" -Wall -Wextra -Werror "$@" "$here/move/$test.c" $rt -o "$prog" &&
	GREEN_TEST_STATS=$dir/stats "$prog" >"$dir/out" &&
	cmp "$dir/out" "$dir/$test.expect" &&
	grep -q 'moves=[1-9][0-9]* refusals=0' "$dir/stats"
	report $? "move $test $*"
}

# Leaving out one adjustment in some must not go unnoticed.
mutate() { # test
	caught=0
	# shellcheck disable=SC2086
	"$cc" -O2 "$here/move/$1.c" $rt -o "$dir/prog" || caught=-5
	for skip in 1 2 3 5 7; do
		GREEN_TEST_SKIP=$skip timeout $((10 * pace)) "$dir/prog" >"$dir/out" 2>/dev/null &&
		cmp -s "$dir/out" "$dir/$1.expect" || caught=$((caught + 1))
	done
	[ $caught = 5 ]
	report $? "mutation of $1 is noticed"
}

for test in locals calls flow lists x87 symbols values growth; do
	$ref -w -O1 "$here/move/$test.c" "$dir/plain.o" -o "$dir/prog" &&
	"$dir/prog" >"$dir/$test.expect" || exit 1
done
for test in locals calls flow lists x87 symbols values; do
	for level in 0 1 2 3 s; do
		move "$test" -O$level
	done
	move "$test" -O2 -g -fPIC
	move "$test" -O2 -fstack-protector-all -fcf-protection
	move "$test" -O0 -fstack-protector-all -fcf-protection
	move "$test" -O2 -fno-strict-aliasing -fno-green-growth
	move "$test" -O3 -march=native
	move "$test" -O2 -fno-pie -no-pie -static
	move "$test" -O2 -fno-plt
	mutate "$test"
done
for level in 0 1 2 3 s; do
	GREEN_TEST_STACK=65536
	export GREEN_TEST_STACK
	move growth -O$level
	unset GREEN_TEST_STACK
done

# What is kept outside the stack pins it, and nothing else does.
gcc -O2 -c "$here/escape/foreign.c" -o "$dir/foreign.o" || exit 1
escape() { # options
	: >"$dir/list"
	# shellcheck disable=SC2086
	"$cc" -Wall -Wextra -Werror "$@" "$here/escape/escape.c" \
		"$dir/foreign.o" $rt -o "$dir/prog" && "$dir/prog" >"$dir/list" &&
		grep -q '^ok many' "$dir/list"
	report $? "escape $*"
	grep -v '^ok' "$dir/list" | sed 's/^/# /'
}
for level in 0 1 2 3 s; do
	escape -O$level
done
escape -O2 -fno-strict-aliasing -fno-green-growth
escape -O2 -g -fPIC -fstack-protector-all -fcf-protection
escape -O3 -march=native
escape -O0 -fno-pie -no-pie -static

# An address that becomes an integer is right ever after.
$ref -w -O1 -fno-strict-aliasing "$here/integers/integers.c" "$here/integers/other.c" \
	"$dir/plain.o" -o "$dir/prog" && "$dir/prog" >"$dir/integers.expect" || exit 1
integers() { # options
	: >"$dir/stats"
	# shellcheck disable=SC2086
	"$cc" -Wall -Wextra -Werror "$@" "$here/integers/integers.c" \
		"$here/integers/other.c" $rt -o "$dir/prog" &&
	GREEN_TEST_STATS=$dir/stats "$prog" >"$dir/out" &&
	cmp "$dir/out" "$dir/integers.expect" &&
	[ "$(sed -n 's/^moves=\([0-9]*\) .*/\1/p' "$dir/stats")" -ge \
		"$(wc -l <"$dir/out")" ]
	report $? "integers $*"
	diff "$dir/out" "$dir/integers.expect" | sed 's/^/# /'
}
for level in 0 1 2 3 s; do
	integers -O$level
	integers -O$level -fno-strict-aliasing
	integers -O$level -fno-builtin
done
integers -O2 -fPIC -fstack-protector-all -fcf-protection -fno-green-growth
integers -O3 -march=native

# Of a call that comes back on another OS thread.
gcc -O2 -c "$here/threads/foreign.c" -o "$dir/threads.o" || exit 1
threads() { # options
	"$cc" -Wall -Wextra -Werror "$@" "$here/threads/threads.c" "$dir/threads.o" \
		-pthread -o "$dir/prog" && "$dir/prog" >"$dir/list"
	report $? "threads $*"
	grep -v '^all right' "$dir/list" | sed 's/^/# /'
}
for level in 0 1 2 3 s; do
	threads -O$level
done
threads -O2 -fPIC -ftls-model=global-dynamic
threads -O3 -march=native -fno-green-growth
threads -O2 -fno-pie -no-pie -static

# The reasons as the EXPECT comments have them.
for level in 0 1 2 3 s; do
	# shellcheck disable=SC2086
	"$cc" -w -O$level -Wl,--unresolved-symbols=ignore-all -no-pie -fno-pie \
		"$here/records/refuse.c" $rt -o "$dir/prog" &&
	GREEN_TEST_RECORDS=1 "$dir/prog" | sort >"$dir/got"
	which='EXPECT\(-O\)*'
	[ $level = 0 ] && which=EXPECT
	sed -n "s,^/\\* $which \\([a-z].*\\) \\*/,\\$([ $level = 0 ] && echo 1 || echo 2),p" \
		"$here/records/refuse.c" | sort >"$dir/want"
	while read -r name why; do
		grep -qx "$name $why" "$dir/got"
		report $? "-O$level $name is $why"
	done <"$dir/want"
	# shellcheck disable=SC2086
	"$cc" -Wall -Wextra -O$level -Wl,--unresolved-symbols=ignore-all -no-pie -fno-pie \
		"$here/records/verify.c" $rt -o "$dir/prog" &&
	GREEN_TEST_RECORDS=1 "$dir/prog" | grep -v ' VERIFIED$' >"$dir/got"
	[ ! -s "$dir/got" ]
	report $? "-O$level ordinary code is movable"
	sed 's/^/# /' "$dir/got"
done

for script in driver check names costs link depth defer; do
	mkdir "$dir/$script"
	sh "$here/$script.sh" "$cc" "$dir/$script" "$ref" >"$dir/list"
	[ -s "$dir/list" ] || report 1 "$script.sh"
	while read -r line; do
		case $line in
		"ok "*) report 0 "$script: ${line#ok }" ;;
		"not ok "*) report 1 "$script: ${line#not ok }" ;;
		*) echo "$line" ;;
		esac
	done <"$dir/list"
done

echo "1..$n"
[ $failed = 0 ]
