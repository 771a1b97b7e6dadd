#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: run.sh [project...]
# Unchanged C as green threads whose stack is moved in every entry check: each
# program must print what clang's build prints. Projects: cjson, zlib, sqlite3,
# lua5.4, csmith, make (zlib built by its own makefile); all if none is named.
#
# Prints TAP, one test a project, and for csmith one a batch; the numbers of
# moves, refusals and segments stand in their names, the most frequent kinds of
# refusal in comments. A refusal is a move that was not made, whatever came of it: most
# become segments, so there are limits, for each project what its code needs. OPT holds
# compiler options (-O2), TOP how many kinds are listed.
# shellcheck source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
: "${OPT:=-O2}"
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
[ $# -gt 0 ] || set -- make cjson zlib sqlite3 lua5.4 csmith

# Compile for both: DIR/green/NAME.o, DIR/plain/NAME.o.
compile() { # source... -- option...
	local sources=() file name

	while [ "$1" != -- ]; do
		sources+=("$1")
		shift
	done
	shift
	mkdir -p green plain
	for file in "${sources[@]}"; do
		name=$(basename "$file" .c)
		# shellcheck disable=SC2086
		"$cc" -w $OPT "$@" -c "$file" -o "green/$name.o" &&
		"$ref" -w $OPT "$@" -c "$file" -o "plain/$name.o" || return
	done
}

link_both() { # program object...
	local program=$1
	shift

	set -- "${@/%/.o}"
	# shellcheck disable=SC2086
	"$ref" "${@/#/plain/}" -lm -o "plain/$program" &&
	"$ref" "${@/#/green/}" $on_green -lm -o "green/$program"
}

# Same output and status. The input is this one's; EVERY as in move=entry:N.
compare() { # program argument...
	local program=$1 want=0 status=0
	shift

	cat >in
	"plain/$program" "$@" <in >want 2>&1 || want=$?
	GREEN_REAL_STATS=stats GREEN_DEBUG=move=entry:${EVERY:-1} \
		timeout $((100 * pace)) "green/$program" "$@" <in >got 2>&1 || status=$?
	[ "$status" = "$want" ] && cmp want got && return
	echo "# $program $*: status $status, should be $want: $(tail -n 1 got | head -c 200)" >&2
	return 1
}

# The test programs of its own makefile.
cjson() {
	local source=$cache/cjson/source bad=0 file name objects

	# Unity without setjmp, which no stack can be moved under.
	set -- -DUNITY_EXCLUDE_SETJMP_H -I"$source" -I"$source/tests/unity/src"
	cp -r "$source/tests/inputs" "$source/tests/json-patch-tests" . &&
	compile "$source/cJSON.c" "$source/cJSON_Utils.c" \
		"$source/tests/unity/src/unity.c" "$source/test.c" -- "$@" || return
	for file in "$source"/tests/*.c "$source/test.c"; do
		name=$(basename "$file" .c)
		case $name in
		unity_setup) continue ;;
		test) objects=cJSON ;;
		*utils*|json_patch_tests) objects='cJSON cJSON_Utils unity' ;;
		*) objects=unity ;;
		esac
		# Those with common.h have cJSON.c in them.
		grep -q '"common.h"' "$file" && objects=${objects#cJSON }
		# One compares 65536 numbers.
		EVERY=1
		[ "$name" = parse_hex4 ] && EVERY=10
		# shellcheck disable=SC2086
		compile "$file" -- "$@" && link_both "$name" "$name" $objects &&
			compare "$name" </dev/null || bad=1
	done
	return $bad
}

zlib() {
	local source=$cache/zlib/source bad=0 library='' file name

	for file in "$source"/*.c; do
		library="$library $(basename "$file" .c)"
	done
	compile "$source"/*.c "$source/test/example.c" "$source/test/minigzip.c" \
		"$here/zlib-roundtrip.c" -- \
		-DHAVE_UNISTD_H -DHAVE_STDARG_H -I"$source" || return
	for name in example minigzip zlib-roundtrip; do
		# shellcheck disable=SC2086
		link_both $name $name $library || return
	done
	EVERY=1 compare example </dev/null || bad=1
	cat "$source"/*.c >text
	EVERY=1 compare minigzip <text || bad=1
	plain/minigzip <text >text.gz
	EVERY=1 compare minigzip -d <text.gz || bad=1
	EVERY=13 compare zlib-roundtrip <text || bad=1
	return $bad
}

# The shell, over a script.
sqlite3() {
	local source=$cache/sqlite3/amalgamation

	compile "$source/sqlite3.c" "$source/shell.c" -- -I"$source" \
		-DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION &&
	link_both shell sqlite3 shell || return
	awk -f "$here/statements.awk" </dev/null >script
	EVERY=1 compare shell :memory: <script
}

build_lua() {
	local source=$cache/lua5.4/source/src objects='' file

	echo '#define DEB_HOST_MULTIARCH "x86_64-linux-gnu"' >lua5.4-deb-multiarch.h
	for file in "$source"/*.c; do
		case $file in
		*/luac.c) ;;
		*)	compile "$file" -- -I. -I"$source" -DLUA_USE_POSIX || return
			objects="$objects $(basename "$file" .c)" ;;
		esac
	done
	# shellcheck disable=SC2086
	link_both interpreter $objects
}

# Its pcall() is setjmp() and longjmp(), over segments wherever a stack is small. Six
# million moves take a minute: pages that are left are sealed.
run_lua() {
	local way

	# shellcheck disable=SC2015 # whichever of them fails
	"$here/fetch" lua5.4 && mkdir "$dir/lua5.4" && cd "$dir/lua5.4" && build_lua &&
		plain/interpreter "$here/script.lua" >want 2>&1 ||
		{ report 1 "lua5.4: its source, and clang's build"; return; }
	for way in '' GREEN_REAL_STACK=4096 GREEN_REAL_STACK=1024 \
		GREEN_DEBUG=move=entry; do
		: >stats
		# shellcheck disable=SC2086
		env $way GREEN_REAL_STATS=stats timeout $((400 * pace)) \
			green/interpreter "$here/script.lua" >got 2>&1 && cmp want got
		report $? "lua5.4 ${way:-as it is}: $(moves stats) moves, \
$(refusals stats) refusals, $(segments stats) segments"
		explain stats
	done
	cd "$dir" && rm -rf "$dir/lua5.4"
}

run_project() { # name most-refusals-per-mille-of-moves
	"$here/fetch" "$1" || { report 1 "$1: its source"; return; }
	mkdir "$dir/$1" && cd "$dir/$1" || exit 1
	: >stats
	local status=0
	"$1" || status=1
	[ "$(moves stats)" -ge 10000 ] || status=1
	[ $(($(refusals stats) * 1000)) -le $(($(moves stats) * $2)) ] || status=1
	# Not one that is not counted.
	[ "$(refusals stats)" -ge "$(segments stats)" ] || status=1
	report $status "$1: $(moves stats) moves, $(words stats) pointers, \
$(refusals stats) refusals (at most $2 in 1,000), $(segments stats) segments"
	explain stats
	cd "$dir" && rm -rf "${dir:?}/$1"
}

# zlib by its own configure and makefile, with nothing changed but CC. Its programs
# run on an ordinary stack; that the library has maps is all that is new.
run_make() {
	"$here/fetch" zlib && cp -r "$cache/zlib/source" "$dir/make" && cd "$dir/make" &&
	CC=$cc ./configure >"$dir/log" 2>&1 && make test >>"$dir/log" 2>&1 &&
	[ "$(grep -c 'zlib.*test OK' "$dir/log")" = 3 ] &&
	objdump -h libz.a | grep -q green_maps &&
	objdump -h "$(readlink -f libz.so)" | grep -q green_maps
	report $? "make: zlib by CC=greencc ./configure && make test"
	cd "$dir" || exit 1
}

run_csmith() {
	"$here/csmith.sh" "${CSMITH_COUNT:-10}" "${CSMITH_SEED:-1}" >"$dir/tap"
	while read -r line; do
		case $line in
		"ok "*) report 0 "${line#ok * - }" ;;
		"not ok "*) report 1 "${line#not ok * - }" ;;
		"#"*) echo "$line" ;;
		esac
	done <"$dir/tap"
}

build_wrapper "$dir" || exit 1
for project; do
	case $project in
	csmith) run_csmith ;;
	make) run_make ;;
	cjson) run_project cjson 1 ;;
	# Streams that deflate.c points to are locals. deflateInit2_() pins them, and then each
	# of its calls is refused and begins a segment; what calls it could still be moved.
	zlib) run_project zlib 15 ;;
	# The parser is a local that points into itself. (Most of what else is called in its
	# file is called behind tests, and so is no move.)
	sqlite3) run_project sqlite3 275 ;;
	lua5.4) run_lua ;;
	*) echo "Bail out! unknown project $project"; exit 1 ;;
	esac
done
echo "1..$tests"
[ $failed = 0 ]
