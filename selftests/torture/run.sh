#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: run.sh [count]
# GCC's tests of what code does (c-torture/execute, with ieee and builtins), built by
# clang and by greencc at -O0, -O2 and -Os. Each must end as clang's build ends: as it
# is, with the stack moved in every entry check, and on a first stack of 1 KiB. With a
# count only so many of them run, evenly spread.
#
# The list left-out names those that are not run, with the reason: "program level
# reason", where the level may be "all". What clang does not build must be in it.
#
# All programs of a level are linked into one, in which each keeps its names to
# itself; runner.c runs them one after another. Two processors are kept busy.
#
# Prints TAP and a table. KEEP names a directory in which the build is left.
# shellcheck source=../real/lib.sh
here=$(dirname "$(readlink -f "$0")")
. "$here/../real/lib.sh"
here=$(dirname "$(readlink -f "$0")")
left_out=${LEFT_OUT:-$here/left-out}
source=$cache/torture/source
: "${LEVELS:=-O0 -O2 -Os}"
pace=${GREEN_TEST_PACE:-$("$top/tools/pace")} || exit 1
dir=${KEEP:-$(mktemp -d)}
mkdir -p "$dir" || exit 1
trap '[ -n "${KEEP:-}" ] || rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# What GCC 12 took without a word.
language="-std=gnu17 -w -Wno-error=parentheses -Wno-error=implicit-function-declaration -Wno-error=implicit-int \
-Wno-error=int-conversion -Wno-error=incompatible-pointer-types -Wno-error=return-type \
-Wno-error=return-mismatch"

all_programs() {
	(cd "$source" && printf '%s\n' *.c ieee/*.c builtins/*.c) |
		sed -n '/-lib\.c$/d; s/\.c$//p' | LC_ALL=C sort
}

is_left_out() { # program level
	grep -qE "^$1 +($2|all) " "$left_out"
}

# Every n-th of the programs, so that there are $1 of them.
choose() {
	awk -v want="$1" '{ name[NR] = $0 }
		END { if (want > NR) want = NR
			for (i = 0; i < want; i++) print name[1 + int(i * NR / want)] }'
}

# The options that a program asks for itself, as far as they say what C it is.
own_options() { # program
	case $1 in
	ieee/*) echo -fno-inline ;;
	esac
	grep -o 'dg-\(additional-\)\?options "[^"]*" *}' "$source/$1.c" |
		grep -o -- '-\(std=[a-z0-9+]*\|fwrapv\|fno-strict-aliasing\|fgnu89-inline\)'
}

# The parts of a program by one compiler into one object, whose only name that others
# see is that of its main().
build_object() { # compiler level program main object
	local compiler=$1 level=$2 program=$3 name=$4 object=$5 parts=() part
	local files=("$source/$program.c")

	case $program in
	builtins/*) files+=("$source/$program-lib.c" "$source/builtins/lib/main.c") ;;
	esac
	for part in "${files[@]}"; do
		parts+=("$object.${#parts[@]}.part")
		# shellcheck disable=SC2046,SC2086
		"$compiler" $level $language $(own_options "$program") -c "$part" \
			-o "${parts[-1]}" || return
	done
	ld -r --force-group-allocation "${parts[@]}" -o "$object" &&
	objcopy --redefine-sym main="$name" -G "$name" "$object" &&
	nm "$object" | grep -q " T $name\$" || return
	rm -f "${parts[@]}"
}

# One program by both; its name into built or not.
build_program() { # level number program
	local level=$1 number=$2 program=$3 name=main_$2

	if ! build_object "$ref" "$level" "$program" "$name" "plain/$number.o" 2>"log/$number"; then
		echo "$program" >>not-built
		rm -f "plain/$number.o"*
	elif build_object "$cc" "$level" "$program" "$name" "green/$number.o" 2>"log/$number"; then
		echo "$number $program" >>built
	else
		echo "$program: $(head -n 1 "log/$number")" >>not-built-by-greencc
		rm -f "plain/$number.o"* "green/$number.o"*
	fi
}

# Runs two jobs at a time: the lines of its input are the arguments.
build_all() { # level
	local level=$1 number program

	mkdir -p plain green log
	: >built
	: >not-built
	: >not-built-by-greencc
	while read -r number program; do
		[ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n
		build_program "$level" "$number" "$program" &
	done
	wait
	sort -n -o built built
}

write_table() {
	echo 'struct program { const char *name; int (*main)(int, char **, char **); };'
	sed 's/ .*//; s/.*/int main_&(int, char **, char **);/' built
	echo 'const struct program programs[] = {'
	sed 's/\([0-9]*\) \(.*\)/	{ "\2", main_\1 },/' built
	echo '	{ 0, 0 }, };'
}

# What a program does not define it must not call.
link_all() { # plain|green
	sed "s|\\([0-9]*\\) .*|$1/\\1.o|" built >"$1.objects"
	"$ref" -static -Wl,--unresolved-symbols=ignore-all "@$1.objects" table.o runner.o \
		"$lib" -luring -lm -o "$1-all" 2>"log/link-$1"
}

# Two at a time; their last lines make one.
run_all() { # file plain|green environment...
	local file=$1 program=$2
	shift 2

	set -- TORTURE_SECONDS=$((30 * pace)) "$@"
	env "$@" "./$program-all" 0 2 >"$file.0" 2>"$file.err" &
	env "$@" "./$program-all" 1 2 >"$file.1" 2>>"$file.err" &
	wait
	grep -hv '^#' "$file.0" "$file.1" | LC_ALL=C sort >"$file"
	grep -h '^#' "$file.0" "$file.1" |
		awk '{ m += $2; s += $3; r += $4 } END { print m + 0, s + 0, r + 0 }' >"$file.counts"
}

compare() { # level mode
	local wrong

	wrong=$(LC_ALL=C comm -3 want "$2" | awk '{ print $1 }' | sort -u | wc -l)
	[ "$wrong" = 0 ] && [ "$(wc -l <"$2")" = "$(wc -l <built)" ]
	report $? "$1 $2: $(wc -l <"$2") programs end as clang's do, $wrong do not"
	diff want "$2" | sed -n 's/^[<>]/# &/p' | sort -k3 | head -n 20
	read -r moves segments refused <"$2.counts"
	printf '%-5s %-7s %8d %8d %10d %10d %10d\n' "$1" "$2" "$(wc -l <"$2")" "$wrong" \
		"$moves" "$segments" "$refused" >>"$dir/table"
}

# The list of what is left out, against what there is.
check_list() {
	local wrong=0 program level

	while read -r program level _; do
		case $program in ''|'#'*) continue ;; esac
		case $level in all|-O0|-O2|-Os) ;; *) level=unknown ;; esac
		[ "$level" != unknown ] && grep -qxF "$program" "$dir/all" && continue
		echo "# $program $level: there is no such program or level"
		wrong=$((wrong + 1))
	done <"$left_out"
	report $wrong "the list of what is left out names programs that there are"
}

# ... and against what clang did with the rest.
compare_list() { # level
	local wrong=0 program

	while read -r program; do
		is_left_out "$program" "$1" && continue
		echo "# $program: not built by clang $1, and not in the list"
		wrong=$((wrong + 1))
	done <not-built
	report $wrong "$1: all that clang does not build is in the list of what is left out"
	sed 's/^/# /' not-built-by-greencc | head -n 20
	[ ! -s not-built-by-greencc ]
	report $? "$1: greencc builds what clang builds"
}

one_level() { # level
	local level=$1

	mkdir -p "$dir/$level" && cd "$dir/$level" || exit 1
	nl -w1 -s' ' "$dir/programs" | while read -r number program; do
		is_left_out "$program" "$level" || echo "$number $program"
	done >chosen
	build_all "$level" <chosen
	compare_list "$level"
	# shellcheck disable=SC2015 # whichever of them fails
	"$cc" -O2 -w -I"$top/include" -c "$here/runner.c" -o runner.o &&
	write_table >table.c && "$ref" -w -c table.c -o table.o &&
	link_all plain && link_all green ||
		{ head -n 3 log/link-* | sed 's/^/# /'; report 1 "$level: linking"; return; }
	run_all want plain
	run_all as-is green TORTURE_STACK=65536 GREEN_DEBUG=nomove
	run_all moved green TORTURE_STACK=65536 GREEN_DEBUG=move=entry
	run_all small green TORTURE_STACK=1024
	for mode in as-is moved small; do
		compare "$level" $mode
	done
	# Half of the programs and more have a function that tests its stack.
	read -r moves _ <moved.counts
	[ "$moves" -ge "$(wc -l <built)" ] && [ "$moves" -gt 0 ]
	report $? "$level moved: $moves moves"
}

"$here/../real/fetch" torture || { echo "1..1"; report 1 "GCC's tests cannot be fetched"; exit 1; }
all_programs >"$dir/all"
choose "${1:-100000}" <"$dir/all" >"$dir/programs"
check_list
: >"$dir/table"
for level in $LEVELS; do
	one_level "$level"
done
printf '# %-5s %-7s %8s %8s %10s %10s %10s\n' level mode programs wrong moves segments refused
sed 's/^/# /' "$dir/table"
echo "# $(grep -cvE '^(#|$)' "$left_out") lines of selftests/torture/left-out say what is left out, and why"
echo "1..$tests"
[ $failed = 0 ]
