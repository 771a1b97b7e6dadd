#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: link.sh greencc directory clang
# What shows when a program is linked, by clang as well as by greencc: who is mapped,
# and whose a function is that has a name of the C library's.
cc=$1 dir=$2 clang=${3:-clang-22}
top=$(cd "$(dirname "$0")/../.." && pwd)
lib="${LIBGREEN:-$top/build/libuser/libgreen.a} -luring"
cd "$dir" || exit 1

check() {
	name=$1
	shift
	if "$@" >log 2>&1; then echo "ok $name"; else echo "not ok $name"; sed 's/^/# /' log; fi
}

# The box is emptied before the stack moves: only who keeps its content knows where
# that lies. connect() and keep() are this program's own.
cat >body.c <<'END'
#include <stdio.h>
struct box { int *content; };
int connect(struct box *b);
int keep(struct box *b);
int collect(void);
void green_yield(void);
long far_off(long a, long b, long c, long d, long e, long f, int *kept);
int (*volatile pointer)(struct box *) = KEEP;
static int deep(int n) { volatile char room[2000]; room[n] = n; return n ? deep(n - 1) + room[n] : 0; }
int body(void *arg)
{
	int x = 1;
	struct box b = { &x };

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
int keep(struct box *b) { kept = b->content; return 0; }
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
	"$clang" main.o body.o "$@" $lib -Wl,-rpath,"$PWD" -rdynamic -o prog &&
	for debug in '' move=call,verify move=entry; do
		[ "$(GREEN_DEBUG=$debug timeout 60 ./prog)" = 6 ] || return
	done
}
refused() { # by one line that says $1, program's call $2, with $3
	said=$1 call=$2
	shift 2
	# shellcheck disable=SC2086
	"$cc" -w -O2 -DCALL="$call" -DKEEP=keep -c body.c -o body.o &&
	"$clang" main.o body.o "$@" $lib -Wl,-rpath,"$PWD" -o prog || return
	! ./prog 2>err && [ "$(wc -l <err)" = 1 ] && grep -q "^green: .*$said" err
}

for level in 0 2; do
	check "a mapped function of libc's name keeps what it finds, -O$level" \
		says 'connect(&b)' -O$level mapped$level.o
	check "another file's mapped function does, -O$level" says 'keep(&b)' -O$level mapped$level.o
	check "a foreign one does, -O$level" says 'keep(&b)' -O$level foreign$level.o
	check "one that is called by a pointer, -O$level" says 'pointer(&b)' -O$level foreign$level.o
	check "... and is mapped, -O$level" says 'pointer(&b)' -O$level mapped$level.o
	check "what is passed on the stack is held, -O$level" \
		says 'far_off(1,2,3,4,5,6,&x)' -O$level foreign$level.o
done
check 'a mapped library' says 'keep(&b)' -O2 libmapped.so
check 'a foreign library' says 'keep(&b)' -O2 libforeign.so
check "a mapped library's function of libc's name" says 'connect(&b)' -O2 libmapped.so
check "a foreign function of libc's name is refused" \
	refused 'connect() of this program is not' 'connect(&b)' foreign2.o
check "one of a library is refused" \
	refused 'connect() of .*libforeign.so is not' 'connect(&b)' libforeign.so
check 'it is held if the caller is told' says 'connect(&b)' '-O2 -fno-builtin-connect' foreign2.o

# An archive's member comes in by the calls of it.
archive() { rm -f libkeep.a; ar rcs libkeep.a mapped2.o && says 'keep(&b)' -O2 libkeep.a && direct; }
direct() { # the name for callers is the function itself
	nm prog | awk '$3 == "keep" { f = $1 } $3 == "keep.green.1" { g = $1 } END { exit !f || f != g }'
}
check 'a mapped function of an archive is called directly' archive
no_type() { readelf -sW prog | grep -q 'NOTYPE.* keep[.]green[.]1$'; }
check 'by a name that debuggers do not take for its' no_type

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
