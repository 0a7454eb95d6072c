#!/bin/sh
# SPDX-License-Identifier: MIT
# As many network devices as the hard limit of open files allows, not the soft one: the
# daemon once stopped at some hundred when it was started from a shell.
. "$(dirname "$0")/netlib.sh"

quiet
soft=$(ulimit -S -n)
ulimit -S -n 128
net_host
ulimit -S -n "$soft"
d=$(guest one)
for v in $(seq 0 19); do # nine descriptors each
	"$SIMXL" vif-attach "$d" "$v" --bridge "$BRIDGE" --no-script
done
for v in $(seq 0 19); do
	"$SIMXL" wait-state "$d" "vif:$v" back 2 10 || fail "vif $v: no InitWait"
done
[ "$(find "/proc/$DAEMON/fd" -type l | wc -l)" -gt 128 ] || fail 'fewer descriptors than the limit was'
finish
