#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Layers of libgreen: an object uses only what stands above it in libuser/Makefile's
# SRCS, which is the order in which the archive has them; so there is no cycle. Nor is
# there a header that all of its C files include. LIBGREEN names the archive, the
# compiler's dependency files lie beside it. Prints TAP.
lib=${LIBGREEN:-$(dirname "$(readlink -f "$0")")/../../build/libuser/libgreen.a}

report() { # number name, with what is wrong in $wrong
	if [ -z "$wrong" ]; then
		echo "ok $1 $2"
	else
		echo "not ok $1 $2"
		echo "$wrong" | sed 's/^/# /'
	fi
}

echo TAP version 13
echo 1..3

objects=$(nm "$lib" 2>/dev/null | grep -c '\.o:$')
wrong=
[ "$objects" -gt 1 ] || wrong="$lib has no objects"
report 1 "there are objects to look at"

wrong=$(nm -g "$lib" | awk '
	/\.o:$/ { object[++nr] = $1; next }
	NF == 2 && $1 == "U" { use[++nr_uses] = nr " " $2 }
	NF == 3 { place[$3] = nr }
	END {
		for (i = 1; i <= nr_uses; i++) {
			split(use[i], word)
			if (word[2] in place && place[word[2]] > word[1])
				print object[word[1]], word[2], "is in", object[place[word[2]]]
		}
	}')
report 2 "an object uses only what stands above it"

wrong=$(find "$(dirname "$lib")" -name '*.d' | while read -r file; do
		grep -q '[a-z_]\.c\( \|$\)' "$file" || continue
		sed -n 's/^\([a-z0-9_/]*\.h\):$/\1/p' "$file" | sort -u
		echo sources
	done | sort | uniq -c | awk '
	{ times[$2] = $1 }
	END {
		sources = times["sources"]
		delete times["sources"]
		if (sources < 2)
			print "no dependency files"
		for (header in times)
			if (times[header] == sources)
				print "all", sources, "include", header
	}')
report 3 "no header is included by all files"
