#!/bin/sh
# SPDX-License-Identifier: MIT
# xenmeterd --probe: a line for each thing that it needs, and the exit code of the first
# that is missing; it serves nobody and makes no table.
. "$(dirname "$0")/lib.sh"

probe() { # CODE COMMAND...
	want=$1; shift
	code=0; "$@" "$XENMETERD" --probe --table "$TABLE" >"$W/probe" 2>&1 || code=$?
	[ $code = "$want" ] || { cat "$W/probe"; fail "exit code $code, not $want"; }
	[ ! -e "$TABLE" ] || fail 'it made a table'
}
found() { grep -Eq "^$1  *$2" "$W/probe" || { cat "$W/probe"; fail "no line $1: $2"; }; }

"$SIMXL" up
probe 0 "$SIMXL" run 0
for what in kernel clock "clock's cost" 'tsc mode' switches; do found "$what" .; done
found 'event channels' ok
found grants 'ok, copies too'
found xenstore 'ok, this is domain 0'
found io_uring ok
found taps .
say 'without Xen'
probe 3 env LD_LIBRARY_PATH= XENSTORED_PATH="$W/none"
found 'event channels' 'No such'
found xenstore .
say 'without xenstore'
probe 4 "$SIMXL" run 0 env XENSTORED_PATH="$W/none"
"$SIMXL" down
