#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: depth.sh greencc directory clang
# Stacks that are measured by addresses: what greencc warns of, and what it does not;
# what it makes is run by libuser/depth.c.
cc=$1 dir=$2 clang=${3:-clang-22}
cd "$dir" || exit 1

report() { # status what
	[ "$1" = 0 ] && echo "ok $2" || echo "not ok $2"
}

# $1: what it says, or nothing; $2: code that says so on its own; the rest: options
says() {
	want=$1 code=$2
	shift 2
	for level in 0 2; do
		printf '%s\n' '#include <stdint.h>' '#include <string.h>' "$code" >code.c
		"$cc" -O$level -Wall "$@" -c code.c -o code.o >log 2>&1 || return
		if [ -z "$want" ]; then
			[ ! -s log ] || return
		else
			[ "$(grep -c 'code.c:[0-9]*:[0-9]*: warning: f: .* \[-Wgreen-depth\]' log)" = 1 ] &&
				grep -q ": warning: f: .*$want" log || return
		fi
	done
}

base='struct base { char *at; uintptr_t number; size_t limit; };'

says 'is stored as a pointer' \
	"$base"' void f(struct base *b) { b->at = __builtin_frame_address(0); }'
report $? 'a frame that is stored as a pointer'
says 'is passed on' 'void scan(void *); void f(void) { scan(__builtin_frame_address(0)); }'
report $? 'one that is passed on'
says 'is returned' 'void *f(void) { return __builtin_frame_address(0); }'
report $? 'one that is returned as a pointer'
says 'is stored, but used in other ways' "$base"' int f(struct base *b)
	{ b->number = (uintptr_t)__builtin_frame_address(0); return *(int *)(b->number = (uintptr_t)__builtin_frame_address(0)); }'
report $? 'one that is a number as well as an address'
says 'is measured from one that is not followed' \
	"$base"' int f(struct base *b) { return (char *)__builtin_frame_address(0) < b->at; }'
report $? 'one that is compared with a pointer in the heap'
says 'is measured from one that is not followed' \
	"$base"' void ask(struct base *); int f(void)
	{ struct base b; ask(&b); return (uintptr_t)__builtin_frame_address(0) < b.number; }'
report $? '... or with a number in a local that somebody else fills in'
says 'is measured from one that is not followed' \
	"$base"' void ask(struct base *); int f(void)
	{ struct base b; ask(&b); return (uintptr_t)__builtin_frame_address(0) - b.number < 4096; }'
report $? '... of which it is measured how much is left'
says 'measured by a local' "$base"' size_t f(struct base *b) { char c; return b->at - &c; }'
report $? 'a local that is measured from a pointer in the heap'
says 'measured by a local' "$base"' int f(struct base *b)
	{ volatile int here = 0; uintptr_t at = (uintptr_t)&here; here++; return b->number - at > b->limit; }'
report $? '... as an integer, in a variable'
says 'measured by a local' "$base"' struct base b; int f(void) { char c; return &c < b.at; }'
report $? '... or in a global'
says 'measured by a local' 'extern char *end; int f(void) { char c; return &c < end; }'
report $? '... of another file'
says 'measured by a local' 'size_t f(char *base) { char c; return base - &c; }'
report $? '... or passed'
says 'measured by a local' 'static char *base; void g(char *b) { base = b; }
	long f(void) { char c; return base - &c; }'
report $? '... or in a static variable that is set from elsewhere'
says 'has no other use is stored' "$base"' void f(struct base *b) { char c; b->at = &c; }'
report $? 'a local that is nothing but a place, and is stored'
says 'pthread_getattr_np() tells of the OS thread' '#define _GNU_SOURCE
	#include <pthread.h>
	int f(pthread_attr_t *a) { return pthread_getattr_np(pthread_self(), a); }' -D_GNU_SOURCE
report $? "the OS thread's bounds"

says '' 'static char *base; void set(void) { base = __builtin_frame_address(0); }
	long f(void) { char c; long d = base - &c; return d < 0 ? -d : d; }'
report $? 'nothing where all of it is seen'
says '' "$base"' void f(struct base *b) { b->number = (uintptr_t)__builtin_frame_address(0) - b->limit; }
	int g(struct base *b) { return (uintptr_t)__builtin_frame_address(0) < b->number; }
	uintptr_t h(void) { return (uintptr_t)__builtin_frame_address(0); }
	void ask(struct base *);
	void set(struct base *b)
	{ struct base o; ask(&o); b->number = (uintptr_t)__builtin_frame_address(0) - o.limit; }'
report $? 'nor of numbers in the heap'
says '' 'int use(char *); struct out { char *p, *end; };
	int f(struct out *o, const char *s)
	{
		char buffer[100], *p = buffer;
		o->p = buffer;
		o->end = buffer + sizeof(buffer);
		while (o->p < buffer + 50 && *s)
			*o->p++ = *s++;
		use(buffer);
		for (p = buffer; p < o->p; p++)
			if (*p == 0)
				break;
		return o->p - buffer + (p - buffer);
	}'
report $? 'nor of buffers'
says '' 'struct node { struct node *next; int n; }; extern struct node *list;
	int f(int n) { struct node here = { list, n }, *p; list = &here;
	for (p = list; p && p != &here; p = p->next) n++; list = here.next; return n; }'
report $? 'nor of lists'
says '' 'int f(int n) { void **p = __builtin_frame_address(0); while (n--) p = *p; return p != 0; }'
report $? 'nor of who walks frames'
says '' 'int f(void) { static void *buf[5]; return __builtin_setjmp(buf); }'
report $? 'nor of __builtin_setjmp()'

code="$base void f(struct base *b) { char c; b->at = &c; }"
says '' "$code" -Wno-green-depth && says '' "$code" -w && says 'stored' "$code" -Wno-green-depth -Wgreen-depth
report $? '-Wno-green-depth'
printf '#include <stdint.h>\n#include <stddef.h>\n%s\n' "$code" >code.c
"$cc" -Werror -c code.c >log 2>&1
[ $? = 1 ] && grep -q 'error: f: .*Wgreen-depth' log && "$cc" -Werror -Wno-green-depth -c code.c
report $? '-Werror'
"$cc" -g -c code.c 2>log
grep -q 'code.c:3:[0-9]*: warning: f: ' log
report $? 'the line is known by -g'

# Without libgreen all is as it would be.
cat >plain.c <<'END'
#include <stdint.h>
#include <stdio.h>
static char *base;
uintptr_t frame(void) { return (uintptr_t)__builtin_frame_address(0); }
static __attribute__((noinline)) long deep(int n)
{
	volatile char c[1000];

	c[n] = n;
	return n ? deep(n - 1) + c[n] - n : base - (char *)c;
}
int main(void)
{
	char here;
	uintptr_t a = frame();

	base = &here;
	return !(deep(100) > 100000 && deep(100) < 200000 &&
		 a < (uintptr_t)&here + 1000 && a > (uintptr_t)&here - 1000);
}
END
"$cc" -O2 plain.c -o plain 2>log && ./plain && nm plain | grep -q green_stack_depth_address &&
	"$cc" -O2 -fPIC -shared -Dmain=run plain.c -o libplain.so 2>>log &&
	echo 'int run(void); int main(void) { return run(); }' >user.c &&
	"$clang" user.c ./libplain.so -o user && ./user
report $? 'programs and libraries without libgreen'
