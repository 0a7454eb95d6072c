#!/bin/sh
# SPDX-License-Identifier: MIT
# The multicast filter past its end; what it says is what passes.
. "$(dirname "$0")/net_lib.sh"

net_scene
offend_bg net_multicast 20
within 20 grep -q . "$W/offender" || fail 'the offender is not done'
"$HOSTILE/ether" send vif1.0 20 100 400 01:00:5e:00:00:02
"$HOSTILE/ether" send vif1.0 20 100 400 01:00:5e:00:00:01
ended $OFFENDER
expect_row 1 control_requests "$(cat "$W/offender")"
expect_row 1 rx_filtered 20
expect_row 1 tx_frames 1
expect_row 1 errors 0
paid tx_parse_cycles
net_undisturbed
finish
