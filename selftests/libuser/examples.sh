#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The programs of examples/ that compute something: each has one right answer.
cd "$(dirname "$0")" || exit

echo TAP version 13
echo 1..6
n=0

# $1: the answer; the rest: a command
says()
{
	want=$1
	shift
	n=$((n + 1))
	got=$("$@" 2>&1)
	if [ "$got" = "$want" ]; then
		echo "ok $n $*"
	else
		echo "not ok $n $*"
		echo "# $got"
	fi
}

for workers in 1 2 4; do
	says '200 requests of 8 clients, 0 before their time' ./example-ratelimit 8 25 1000 10 $workers
	says '0 1 4 9 16 late 36 49 (7 of 8 shards)' ./example-fanout 1000 $workers
done
