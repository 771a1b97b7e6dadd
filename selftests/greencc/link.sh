#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: link.sh greencc directory clang
# What shows when a program is linked, by clang as well as by greencc: who is mapped,
# and whose a function is that has a name of the C library's.
cc=$1 dir=$2 clang=${3:-clang-22}
top=$(cd "$(dirname "$0")/../.." && pwd)
lib=${LIBGREEN:-$top/build/libuser/libgreen.a}
cd "$dir" || exit 1

check() {
	name=$1
	shift
	if "$@" >log 2>&1; then echo "ok $name"; else echo "not ok $name"; sed 's/^/# /' log; fi
}

# keep() and chmod() keep what they are passed, connect() what it finds in there: the box
# is emptied before the stack moves, so only who keeps its content knows where
# that lies. connect(), chmod(), bind() and keep() are this program's own; bind() runs on
# a segment.
cat >body.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#ifndef VOLATILE
#define VOLATILE
#endif
struct box { int *content; };
int connect(struct box *b);
int send_it(struct box *b);
int chmod(int *p, unsigned int mode);
int bind(struct box *b);
int keep(int *p);
int collect(void);
int green_pin(void);
int green_unpin(void);
void green_yield(void);
long far_off(long a, long b, long c, long d, long e, long f, int *kept);
int (*volatile pointer)(int *) = KEEP;
static int deep(int n) { volatile char room[2000]; room[n] = n; return n ? deep(n - 1) + room[n] : 0; }
static __attribute__((noinline)) int pinned_bind(int *content)
{
	struct box b = { content };

	green_pin();
	bind(&b);
	green_unpin();
	return 0;
}
/* Far below, so that the box is forgotten. */
static __attribute__((noinline)) int on_segment(int *content)
{
	volatile char room[1000];

	room[0] = pinned_bind(content);
	return room[0];
}
int body(void *arg)
{
	VOLATILE int x = 1;
	struct box b = { (int *)&x };

	(void)arg;
	CALL;
	b.content = 0;
	green_yield();
	deep(40);
	collect();
	printf("%d\n", x);
	return 0;
}
END
cat >keep.c <<'END'
struct box { int *content; };
static int *kept;
int connect(struct box *b) { kept = b->content; return 0; }
int chmod(int *p, unsigned int mode) { kept = p; return mode; }
int keep(int *p) { kept = p; return 0; }
void *memcpy(void *, const void *, unsigned long);
static void *(*volatile copy)(void *, const void *, unsigned long) = memcpy;
int bind(struct box *b)
{
	volatile char room[100 << 10];

	room[0] = 0;
	copy(&kept, &b->content, sizeof(kept));
	return 0;
}
long far_off(long a, long b, long c, long d, long e, long f, int *p) { kept = p; return a + b + c + d + e + f; }
int collect(void) { return *kept += 5; }
END
cat >main.c <<'END'
#include <green.h>
int body(void *arg);
int main(void)
{
	return green_run(NULL, body, NULL) != 0;
}
END
"$cc" -I"$top/include" -O2 -c main.c -o main.o || exit 1
for level in 0 2; do
	"$cc" -O$level -c keep.c -o mapped$level.o &&
	"$clang" -O$level -c keep.c -o foreign$level.o || exit 1
done
"$cc" -O2 -fPIC -shared keep.c -o libmapped.so &&
"$clang" -O2 -fPIC -shared keep.c -o libforeign.so || exit 1

# What a program says whose body calls $1, compiled by the options $2, with $3.
says() {
	call=$1 options=$2
	shift 2
	# shellcheck disable=SC2086 # lists
	"$cc" -w $options -DCALL="$call" -DKEEP=keep -c body.c -o body.o &&
	"$clang" main.o body.o "$@" "$lib" -luring -Wl,-rpath,"$PWD" -rdynamic -o prog &&
	for debug in '' move=call,verify move=entry; do
		[ "$(GREEN_DEBUG=$debug timeout 60 ./prog)" = 6 ] || return
	done
}
refused() { # by one line that says $1, program's call $2, with $3
	said=$1 call=$2
	shift 2
	# shellcheck disable=SC2086
	"$cc" -w -O2 -DCALL="$call" -DKEEP=keep -c body.c -o body.o &&
	"$clang" main.o body.o "$@" "$lib" -luring -Wl,-rpath,"$PWD" -o prog || return
	! ./prog 2>err && [ "$(wc -l <err)" = 1 ] && grep -q "^green: .*$said" err
}

for level in 0 2; do
	check "a mapped function of libc's name keeps what it finds, -O$level" \
		says 'connect(&b)' -O$level mapped$level.o
	check "... and on a segment, -O$level" says 'on_segment(&x)' -O$level mapped$level.o
	check "another file's mapped function does, -O$level" says 'keep(&x)' -O$level mapped$level.o
	check "a foreign one does, -O$level" says 'keep(&x)' -O$level foreign$level.o
	check "one that is called by a pointer, -O$level" says 'pointer(&x)' -O$level foreign$level.o
	check "... and is mapped, -O$level" says 'pointer(&x)' -O$level mapped$level.o
	check "what is passed on the stack is held, -O$level" \
		says 'far_off(1,2,3,4,5,6,&x)' -O$level foreign$level.o
done
check 'a mapped library' says 'keep(&x)' -O2 libmapped.so
check 'a foreign library' says 'keep(&x)' -O2 libforeign.so
check "a mapped library's function of libc's name" says 'connect(&b)' -O2 libmapped.so
check "a foreign function of libc's name is refused" \
	refused 'connect() of this program is not' 'connect(&b)' foreign2.o
check "one of a library is refused" \
	refused 'connect() of .*libforeign.so is not' 'connect(&b)' libforeign.so
check 'it is held if the caller is told' says 'connect(&b)' '-O2 -fno-builtin-connect' foreign2.o

# An archive's member comes in by the calls of it.
archive() { rm -f libkeep.a; ar rcs libkeep.a mapped2.o && says 'keep(&x)' -O2 libkeep.a && direct; }
direct() { # the name for callers is the function itself
	nm prog | awk '$3 == "keep" { f = $1 } $3 == "keep.green.1" { g = $1 } END { exit !f || f != g }'
}
check 'a mapped function of an archive is called directly' archive
no_type() { readelf -sW prog | grep -q 'NOTYPE.* keep[.]green[.]1$'; }
check 'by a name that debuggers do not take for its' no_type

# What LLVM knows of names, and greencc does not, is relied on by the optimizer alone.
check "a foreign function of a name that the compiler knows" \
	says 'chmod((int *)&x,0)' '-O2 -DVOLATILE=volatile' foreign2.o

# In a static program it is told from the C library by its place.
static_says() { # what is to come out, libraries first
	"$cc" -w -O2 -DCALL='connect(&b)' -DKEEP=keep -c body.c -o body.o &&
	"$clang" -static -w main.o body.o "$1" "$lib" -luring -o prog 2>log.ld || return
}
static_refused() { static_says foreign2.o && ! ./prog 2>err && grep -q 'connect() of this program' err; }
static_mapped() { static_says mapped2.o && [ "$(./prog)" = 6 ]; }
check "a static program's foreign function of libc's name is refused" static_refused
check "a static program's mapped one works" static_mapped

# An allocator is replaced as a whole; part of one is something else.
cat >heap.c <<'END'
#include <stddef.h>
static char heap[1 << 24], *top = heap;
#ifdef WHOLE
void *malloc(size_t n) { char *p = top; top += (n + 31) & ~15UL; *(size_t *)p = n; return p + 16; }
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n)
{
	char *q = malloc(n);
	for (size_t i = 0; p && i < n && i < ((size_t *)p)[-2]; i++)
		q[i] = ((char *)p)[i];
	return q;
}
#endif
void free(void *p) { (void)p; }
END
cat >copy.c <<'END'
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}
END
"$clang" -O2 -c heap.c -o free.o && "$clang" -O2 -DWHOLE -c heap.c -o heap.o &&
	"$clang" -O2 -fno-builtin -c copy.c -o copy.o &&
	"$clang" -O2 -fPIC -shared heap.c -o libfree.so &&
	"$clang" -O2 -DWHOLE -fPIC -shared heap.c -o libheap.so || exit 1
uses='{ void *volatile p = malloc(9); free(p); } keep(&x)'
part() { refused 'free() of this program is not' "$uses" foreign2.o free.o; }
part_of_library() { refused 'free() of .*libfree.so is not' "$uses" foreign2.o libfree.so; }
check "a program's own free() is refused" part
check "one of a library is refused, as well" part_of_library
check "an allocator that is the program's own is none of libc's" says "$uses" -O2 foreign2.o heap.o
check "nor is one of a library" says "$uses" -O2 foreign2.o libheap.so
check "a foreign memcpy() is refused" \
	refused 'memcpy() of this program is not' '__builtin_memcpy(&x,(char[99]){1},*(volatile int *)&x)' \
	foreign2.o copy.o
check "... unless it is constant what it copies" \
	says '__builtin_memcpy(&x,&(int){1},4);keep(&x)' -O2 foreign2.o copy.o

# libgreen's names are its own.
cat >mine.c <<'END'
struct box { int *content; };
__attribute__((visibility("hidden"))) int green_send(struct box *b) { return *b->content; }
END
cat >calls.c <<'END'
struct box { int *content; };
int green_send(struct box *b) __attribute__((visibility("hidden")));
int send_it(struct box *b) { return green_send(b); }
END
mine() { # options for the caller
	"$clang" -O2 -fPIC -c mine.c && "$cc" -O2 -fPIC "$@" -c calls.c &&
	"$cc" -shared mine.o calls.o -o libmine.so
}
mine_refused() { mine && refused 'green_send() of .*libmine.so is not libgreen' 'send_it(&b)' foreign2.o libmine.so; }
mine_told() { mine -fno-builtin-green_send && says 'send_it(&b);keep(&x)' -O2 foreign2.o libmine.so; }
check "a library's own function of libgreen's name is refused" mine_refused
check "... and called if the caller is told" mine_told
own_go() {
	echo 'int green_yield(int *p) { return *p; }' >own.c && "$clang" -c own.c &&
	! "$clang" main.o body.o foreign2.o own.o "$lib" -luring -o prog 2>err && grep -q 'green_yield' err
}
check "a program's own is the linker's business" own_go

# Mapped code in a library is called by the table that others may take over.
cat >inner.c <<'END'
int value(void) { return 1; }
END
cat >outer.c <<'END'
int value(void);
int twice(void) { return 2 * value(); }
END
cat >user.c <<'END'
#include <stdio.h>
int twice(void);
#ifdef OWN
int value(void) { return 4; }
#endif
int main(void) { printf("%d\n", twice()); return 0; }
END
interposed() {
	"$cc" -O2 -fPIC -shared inner.c outer.c -o libtwice.so &&
	"$cc" -O2 user.c -L. -ltwice -Wl,-rpath,"$PWD" -o user && [ "$(./user)" = 2 ] &&
	"$cc" -O2 -DOWN user.c -L. -ltwice -Wl,-rpath,"$PWD" -o user && [ "$(./user)" = 8 ]
}
check "a program's function takes the place of a library's" interposed
weak() {
	echo '__attribute__((weak)) int value(void) { return 1; }' >weak.c
	echo 'int value(void) { return 3; }' >strong.c
	"$cc" -O2 -c weak.c && "$cc" -O2 -c outer.c user.c && "$clang" -O2 -c strong.c &&
	"$cc" weak.o outer.o user.o -o user && [ "$(./user)" = 2 ] &&
	"$cc" weak.o outer.o user.o strong.o -o user && [ "$(./user)" = 6 ]
}
check 'a strong function takes the place of a weak one' weak

# Where the linker is told that a function is another one, its callers by second names
# call that too, or the program says so and ends. E is what clang's program prints.
cat >f.c <<'END'
int f(int *p) { return *p + 1; }
END
cat >other.c <<'END'
int g(int *p) { return *p + 10; }
#ifdef REAL
int __real_f(int *p);
int __wrap_f(int *p) { return __real_f(p) + 20; }
#else
int f(int *p) { return *p + 40; }
#endif
END
cat >caller.c <<'END'
#include <stdio.h>
int f(int *p);
int main(void) { int x = 1; printf("%d\n", f(&x)); return 0; }
END
"$clang" -O2 -DREAL -c other.c -o wrap.o && "$clang" -O2 -c other.c -o strong.o &&
	"$cc" -O2 -c f.c -o f.o && "$cc" -O2 -c caller.c -o caller.o &&
	"$cc" -O2 -fno-builtin-f -c caller.c -o told.o || exit 1
instead() { # what it would print, then: linker, caller's change, callee's change, options
	expect=$1 ld=$2 of_caller=$3 of_f=$4
	shift 4
	# shellcheck disable=SC2086
	for caller in told caller; do
		objcopy $of_caller $caller.o c.o && objcopy $of_f f.o d.o &&
		"$cc" -fuse-ld=$ld "$@" c.o -o user || return
		if [ $caller = told ]; then
			[ "$(./user)" = "$expect" ] || return
		elif got=$(./user 2>err); then
			[ "$got" = "$expect" ] || return
		else
			[ "$(wc -l <err)" -ge 1 ] && grep -q '^green: calls of f() .*-fno-builtin-f$' err || return
		fi
	done
}
for ld in bfd lld; do
	check "--wrap, $ld" instead 22 $ld '' '' d.o wrap.o -Wl,--wrap=f
	check "--defsym, $ld" instead 11 $ld '' '' d.o wrap.o -Wl,--defsym,f=g -Wl,--defsym,__real_f=g
	check "the first of two, $ld" instead 41 $ld '' '' strong.o d.o -Wl,-z,muldefs
	check "objcopy --weaken, $ld" instead 41 $ld '' --weaken d.o strong.o
	check "objcopy --weaken-symbol, $ld" instead 41 $ld '' --weaken-symbol=f d.o strong.o
	check "objcopy --localize-symbol, $ld" instead 41 $ld '' --localize-symbol=f d.o strong.o
	check "objcopy --redefine-sym of the callee, $ld" \
		instead 41 $ld '' '--redefine-sym f=h' d.o strong.o
	check "objcopy --redefine-sym of the caller, $ld" \
		instead 11 $ld '--redefine-sym f=g' '' d.o wrap.o -Wl,--defsym,__real_f=g
done
in_place() { # E, a program with a library that calls its own f(), another put before it
	echo 'int f(int *p); int call(int *p) { return f(p); }' >call.c
	sed 's/f(&x)/call(\&x)/;s/int f/int call/' caller.c >calls_call.c
	"$cc" -O2 -fPIC "$@" -c f.c -o fpic.o && "$cc" -O2 -fPIC "$@" -c call.c &&
	"$cc" -shared fpic.o call.o -o libcall.so && "$clang" -fPIC -shared strong.o -o libstrong.so &&
	"$cc" -O2 calls_call.c libcall.so -Wl,-rpath,"$PWD" -o user &&
	[ "$(./user)" = 2 ] && LD_PRELOAD=$PWD/libstrong.so ./user
}
"$clang" -O2 -fPIC -c other.c -o strong.o
preloaded() { [ "$(in_place "$@" | tail -1)" = 41 ]; }
check "LD_PRELOAD of a mapped library's function" preloaded
check "... with -fno-semantic-interposition" preloaded -fno-semantic-interposition
check "... with -fno-plt" preloaded -fno-plt

# What the linker drops because nobody uses it, and what it must not. GNU ld keeps what
# is called by functions that it drops.
cat >unused.c <<'END'
int nowhere(int *p);
int unused(int *p) { return nowhere(p); }
END
sections() {
	"$cc" -O2 -ffunction-sections -fuse-ld=lld -Wl,--gc-sections caller.c unused.c f.c -o user &&
	[ "$(./user)" = 2 ]
}
check "--gc-sections drops unused callers, and whom they call" sections
names_stay() { # linker
	"$cc" -w -O2 -ffunction-sections -DCALL='connect(&b)' -DKEEP=keep -c body.c -o body.o &&
	"$cc" -fuse-ld="$1" -Wl,--gc-sections main.o body.o foreign2.o "$lib" -luring -o prog &&
	! ./prog 2>err && grep -q 'connect() of this program is not' err
}
maps_gone() {
	"$cc" -w -O2 -DCALL='keep(&x)' -DKEEP=keep -c body.c -o body.o &&
	"$clang" -fuse-ld=lld -Wl,--gc-sections main.o body.o foreign2.o "$lib" -luring -o prog &&
	! ./prog 2>err && grep -q 'has dropped the pointer maps.*nostart-stop-gc' err
}
for ld in bfd lld; do
	check "--gc-sections leaves the names that were relied on, $ld" names_stay $ld
done
check "maps that the linker has dropped are missed" maps_gone
