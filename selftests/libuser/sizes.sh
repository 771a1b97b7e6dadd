#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The tests of mapped code again, on the smallest stacks, and without the module.
cd "$(dirname "$0")" || exit

echo TAP version 13
echo 1..3

# First stacks without a sealed page, which the first call or so makes grow.
for program in move exit cancel panic leave segment soak language-O0 language-O2 chan select chans; do
	GREEN_DEBUG=stack=2048 "./$program" >/dev/null 2>&1 || small=$program
done
for program in mutex sync group; do
	GREEN_DEBUG=stack=2048 "./$program" >/dev/null 2>&1 || small=$program
done
case ${small-} in
'') echo "ok 1 all goes on on packed stacks" ;;
*) echo "not ok 1 all goes on on packed stacks"; echo "# $small" ;;
esac
for program in move cancel panic leave segment chan select; do
	GREEN_DEBUG=stack=1024,move=call,verify "./$program" >/dev/null 2>&1 || moved=$program
done
case ${moved-} in
'') echo "ok 2 ... which are moved to and fro" ;;
*) echo "not ok 2 ... which are moved to and fro"; echo "# $moved" ;;
esac

# Kernels before 6.13 have no guard markers: this is where that shows.
if [ -e /dev/green ]; then
	for program in move segment stack soak; do
		GREEN_DEBUG=backend=user "./$program" >/dev/null 2>&1 || user=$program
	done
	case ${user-} in
	'') echo "ok 3 all goes on without the module" ;;
	*) echo "not ok 3 all goes on without the module"; echo "# $user" ;;
	esac
else
	echo "ok 3 # SKIP there is no module"
fi
