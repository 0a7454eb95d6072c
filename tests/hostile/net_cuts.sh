#!/bin/sh
# SPDX-License-Identifier: MIT
# Headers cut over slots at each byte (XSA-423): whole again, byte for byte, in the kernel.
. "$(dirname "$0")/net_lib.sh"

net_scene
for kind in u 6 t; do
	"$HOSTILE/ether" catch vif1.0 129 >"$W/caught" &
	catcher=$!
	PIDS="$PIDS $catcher"
	within 5 grep -q listening "$W/caught"
	offend net_cuts $kind
	ended $catcher
	grep -v listening "$W/caught" | cmp - "$W/offender" || fail "kind $kind: other bytes"
	say "kind $kind: 129 frames, byte for byte"
done
expect_row 1 tx_frames 387
expect_row 1 tx_gso_frames 129
expect_row 1 tx_dropped_header 0
expect_row 1 refused 0
paid tx_grant_cycles
net_undisturbed
finish
