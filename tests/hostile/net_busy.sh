#!/bin/sh
# SPDX-License-Identifier: MIT
# A vif given up while frames go both ways (XSA-90), and kicked on (XSA-374).
. "$(dirname "$0")/net_lib.sh"

net_scene
"$HOSTILE/ether" send vif1.0 10000000 1000 5000 &
SENDER=$!
PIDS="$PIDS $SENDER"
offend net_busy fatal 12
kill $SENDER
busy=$(cat "$W/offender")
say "$busy of 12 in the middle of both directions"
[ "$busy" -gt 8 ] || fail 'not busy'
expect_row 1 rings_broken 12
reason 'broke queue 0: '
paid tx_grant_cycles
paid rx_grant_cycles
say 'a new ring is served'
netload 1 generate --number 100 --json >"$W/again.out"
expect_json "$W/again.out" '.tx.okay == 100 and .protocol_violations == 0'
net_undisturbed
finish
