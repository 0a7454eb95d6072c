#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad grants at each place of a chain, and under receive slots (XSA 361 and those after).
# Arguments: size of the frames that come; what net_grants.c is told beside the reference.
. "$(dirname "$0")/net_lib.sh"

net_scene
ip link set vif1.0 mtu 9000
# A reference that only guest 3 has: it grants 280 pages and more, guest 1 fewer.
granted() { [ "$("$SIMXL" list | awk '$1 == 3 { print $4 }')" -gt 280 ]; }
within 20 granted || fail "$("$SIMXL" list)"
"$HOSTILE/ether" send vif1.0 100000 "$1" 1000 &
SENDER=$!
PIDS="$PIDS $SENDER"
offend net_grants 275 ${2:-}
kill $SENDER
read -r sent failing rx_bad <"$W/offender"
say "$sent sent, $failing with a bad grant; $rx_bad that came and failed"
expect_row 1 tx_frames "$sent"
expect_row 1 tx_dropped_grant "$failing"
expect_row 1 rx_dropped_grant "$rx_bad"
expect_row 1 refused 0
[ "$sent" = 0 ] || paid tx_grant_cycles
paid rx_grant_cycles
net_undisturbed
finish
