#!/bin/sh
# SPDX-License-Identifier: MIT
# Slots that change while they are read (XSA-155).
. "$(dirname "$0")/net_lib.sh"

net_scene
"$HOSTILE/ether" send vif1.0 10000000 1000 1000 &
SENDER=$!
PIDS="$PIDS $SENDER"
offend net_rewrite 4
kill $SENDER
read -r rounds closed <"$W/offender"
say "$rounds connections, $closed closed by the backend"
[ "$closed" -gt 0 ] || fail 'no lie was noticed'
[ "$(row 1 rings_broken)" -ge "$closed" ] || fail 'not counted'
[ $(($(row 1 tx_frames) + $(row 1 refused))) -gt 0 ] || fail 'no slot was read'
paid tx_parse_cycles
say 'a new ring is served'
netload 1 generate --number 100 --json >"$W/again.out"
expect_json "$W/again.out" '.tx.okay == 100 and .protocol_violations == 0'
net_undisturbed
finish
