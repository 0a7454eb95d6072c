#!/bin/sh
# SPDX-License-Identifier: MIT
# Garbage in `rate`, at first and live: the operator is told, the guest is not limited.
. "$(dirname "$0")/net_lib.sh"

net_scene --set rate=a,b
netload_bg "$W/busy.out" 1 generate --rate 2000 --time 300 --json
BUSY=$BG
moving() { [ "$(row 1 tx_frames)" -gt $((SENT + 100)) ]; }
for value in '' , 1 1, ,1 -1,50000 1,-1 0x10,50000 '1, 2' 1,2,3 1.5,2 \
	18446744073709551616,50000 1,18446744073709551616 "$(printf %2000d 1),1" nonsense; do
	xenstore-write -- "$(back 1 0)/rate" "$value"
	SENT=$(row 1 tx_frames)
	within 10 moving || fail "stands still after rate=$value"
done
say 'none at all, then a rate'
xenstore-write "$(back 1 0)/rate" 0,50000
sleep 0.3
SENT=$(row 1 tx_frames)
sleep 0.3
expect_row 1 tx_frames "$SENT"
xenstore-write "$(back 1 0)/rate" nonsense
within 10 moving || fail 'stands still'
grep -q 'rate=nonsense is not BYTES,MICROSECONDS' "$LOG" || fail 'nobody was told'
kill -INT $BUSY; wait $BUSY || :
expect_json "$W/busy.out" '.protocol_violations == 0 and .tx.error == 0'
quiet_log 200
net_undisturbed
finish
