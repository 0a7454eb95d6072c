#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed and started again: guests see Closing, nothing hangs, the table is
# a new one, and who comes back is served.
. "$(dirname "$0")/lib.sh"

host
one=$(guest one); two=$(guest two)
attach "$one" xvda "$(disk a 16M)"
attach "$two" xvda "$(disk b 16M)"
load_bg "$W/one.out" "$one" --rw randwrite --depth 8 --time 30 --timeout 2; p1=$BG
load_bg "$W/two.out" "$two" --hold 30 --timeout 2; p2=$BG
state "$one" back 4; state "$two" back 4
sleep 0.3
daemon_kill
daemon_start
[ "$(dump | jq .table.pid)" = "$DAEMON" ] || fail 'the table is the old one'
[ "$(dump | jq '.rows | length')" -le 3 ]

say 'guests see it, and go'
for p in $p1 $p2; do within 15 gone $p || fail "a guest hangs"; wait "$p" || :; done
state "$one" back 6; state "$two" back 6
grep -q 'was served by a daemon that is gone' "$LOG"

say 'and come back'
load "$one" --rw randrw --verify --number 300
load "$two" --rw randrw --verify --number 300
"$SIMXL" block-detach "$one" xvda
"$SIMXL" destroy "$two"
finish
