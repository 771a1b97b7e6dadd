#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: costs.sh greencc directory
# What functions ask for.
cc=$1 dir=$2

report() { # status what
	[ "$1" = 0 ] && echo "ok $2" || echo "not ok $2"
}

# The instructions of f() in C text $1.
f() { # text
	printf '%s\n' "$1" >"$dir/f.c"
	"$cc" -w -O2 -S "$dir/f.c" -o "$dir/f.s" &&
	sed -n '/^f:/,/^\.Lfunc_end/p' "$dir/f.s" >"$dir/f"
}
has() { grep -qE "$1" "$dir/f"; }

f 'void *memcpy(void *, const void *, unsigned long);
int f(int *p, int n) {
	if (__builtin_expect(!*p, 1)) return 0;
	volatile char big[2000];
	for (int i = 0; i < 2000; i++) big[i] = n;
	memcpy(p, (char *)big, n);
	return big[n];
}' && has 'leaq	-2[0-9]{3}\(%rsp\), %r11'
report $? 'a frame behind a return is counted'
