#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# usage: run.sh
# The benchmarks work: each row, as little of it as there can be, has a figure for green
# and for each peer that is installed. What the figures are says nothing here.
set -uo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
out=$top/build/bench/quick
export GREENCC=${GREENCC:-$top/build/greencc/greencc} LIBGREEN=${LIBGREEN:-$top/build/libuser/libgreen.a}

make -s -C "$top/examples/httpd" OUT="$top/build/httpd" &&
	make -s -C "$top/tools/bench" OUT="$top/build/bench" || exit
"$top/tools/bench/run" --quick --out "$out" >/dev/null
status=$?

awk -F '\t' -v status=$status '
	function result(ok, what)
	{
		print (ok ? "ok " : "not ok ") ++n " " what
	}
	$4 == "skipped" {
		result(1, $1 ": " $2 ": " $3 " # SKIP " $5)
		next
	}
	{
		result($4 ~ /^[0-9.e+]+$/ && $5 ~ /^[0-9.e+]+$/, $1 ": " $2 ": " $3 " " $5)
	}
	END {
		result(status == 0, "the command ends well")
		print "1.." n
	}' "$out/results.tsv"
