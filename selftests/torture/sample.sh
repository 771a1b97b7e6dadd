#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# A hundred of the programs, the same ones each time, for 'make test'.
exec "$(dirname "$(readlink -f "$0")")/run.sh" 100
