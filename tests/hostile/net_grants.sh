#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad grants at each place of a chain, and under receive slots (XSA 361 and those after).
. "$(dirname "$0")/net_lib.sh"

net_scene
# A reference that only guest 3 has: it grants 280 pages and more, guest 1 fewer.
granted() { [ "$("$SIMXL" list | awk '$1 == 3 { print $4 }')" -gt 280 ]; }
within 20 granted || fail "$("$SIMXL" list)"
"$HOSTILE/ether" send vif1.0 100000 100 1000 &
SENDER=$!
PIDS="$PIDS $SENDER"
offend net_grants 275
kill $SENDER
read -r sent failing rx_bad <"$W/offender"
say "$sent sent, $failing with a bad grant; $rx_bad bad receive slots"
expect_row 1 tx_frames "$sent"
expect_row 1 tx_dropped_grant "$failing"
expect_row 1 rx_dropped_grant "$rx_bad"
expect_row 1 refused 0
paid tx_grant_cycles
paid rx_grant_cycles
net_undisturbed
finish
