#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: names.sh greencc directory
# What greencc knows by name: the calls of libgreen, and no others that begin with
# the same word; what needs stack is asked for.
cc=$1 dir=$2
top=$(cd "$(dirname "$0")/../.." && pwd)

report() { # status what
	[ "$1" = 0 ] && echo "ok $2" || echo "not ok $2"
}

# The bytes that f() asks for before it calls $1, declared as $2.
need() {
	echo "$2; void f(void) { $1; __asm__ volatile(\"\"); }" >"$dir/f.c"
	"$cc" -w -O2 -I"$top/include" -S "$dir/f.c" -o "$dir/f.s" || return
	sed -n '/^f:/,/fs:112/s/.*leaq	-\([0-9]*\)(%rsp), %r11/\1/p' "$dir/f.s"
}

# Those that the headers have and do not themselves define; green_run() is called by others.
missing=
headers="$top/include/green.h $top/include/green_sync.h"
# shellcheck disable=SC2086 # a list
for name in $(grep -oh '\bgreen_[a-z_]*(' $headers | tr -d '(' | sort -u); do
	case $name in
	green_run | green_run_error) continue ;;
	esac
	# shellcheck disable=SC2086
	grep -qE "^((#define|static inline .*)[ *])?$name\(.*[^;]$" $headers && continue
	grep -qE "^((CALL|FAST)\([^,]*, |HERE\(|LOOK\()${name#green_}[,)]" \
		"$top/include/green/calls.def" || missing="$missing $name"
done
[ -z "$missing" ]
report $? "each call of the runtime is in the list${missing:+: not}$missing"

[ -z "$(need 'green_yield()' '#include <green.h>
')" ]
report $? 'a call of the runtime needs nothing'
[ -z "$(need '__builtin_memcpy(a, b, n)' 'char *a, *b; long n')" ]
report $? 'nor does memcpy()'
[ "$(need 'a = strstr(a, b)' 'char *strstr(const char *, const char *), *a, *b')" -ge 4096 ]
report $? 'strstr() needs a little'
[ -z "$(need 'green_light()' 'void green_light(void)')" ] &&
	grep -q 'call.*green_light[.]green[.]0$' "$dir/f.s"
report $? 'somebody else'\''s green_light() asks for what it needs on the way'
[ -z "$(need 'weak()' '__attribute__((weak)) void weak(void) { __asm__ volatile(""); }')" ] &&
	grep -q 'call.*weak[.]green[.]0$' "$dir/f.s"
report $? 'as does a weak function, which may be replaced'
[ -z "$(need 'if (n > 9) puts("abc")' 'int puts(const char *), n')" ] &&
	grep -q 'call.*puts[.]green[.]n1$' "$dir/f.s"
report $? 'as does one of libc that is not always called'
[ "$(need 'puts("")' 'int puts(const char *)')" -ge 32768 ]
report $? 'one that is always called is asked for on entry'
[ "$(need 'volatile char v[n]; v[0] = 1' 'int n')" -ge 262144 ]
report $? 'an array of variable size needs a lot'

echo 'void green_light(int *); void f(void) { int i; green_light(&i); }' >"$dir/f.c"
"$cc" -O2 -S "$dir/f.c" -o "$dir/f.s" && grep -q 'call.*green_light[.]green[.]1$' "$dir/f.s" &&
	grep -q 'green_lend_1@GOTPCREL' "$dir/f.s"
report $? 'and is lent what it is passed'

echo 'struct s { char c[5000]; }; void g(int, ...); void f(struct s *s) { g(1, *s); }' >"$dir/f.c"
! "$cc" -O2 -c "$dir/f.c" -o "$dir/f.o" 2>"$dir/log" &&
	grep -q 'f passes more than [0-9]* bytes of variable arguments' "$dir/log"
report $? 'more variable arguments than a segment takes are refused'
