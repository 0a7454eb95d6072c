#!/bin/sh
# SPDX-License-Identifier: MIT
# Xenstore at speed (XSA 349, 350), frames coming in meanwhile; then the guest behaves, and
# is served. Argument: states, keys or headroom.
. "$(dirname "$0")/net_lib.sh"

net_scene
"$HOSTILE/ether" send vif1.0 10000000 100 500 &
SENDER=$!
PIDS="$PIDS $SENDER"
case $1 in
states)
	for n in 1 2; do
		offend net_flap states 600
		say "$(cat "$W/offender")"
	done
	;;
keys) offend net_flap keys 20000 ;;
headroom) offend net_flap headroom ;;
esac
kill $SENDER
sent=$(row 1 tx_frames)
netload 1 generate --number 100 --json >"$W/again.out"
expect_json "$W/again.out" '.tx.okay == 100 and .protocol_violations == 0'
expect_row 1 tx_frames $((sent + 100))
expect_row 1 rings_broken 0
paid tx_parse_cycles
quiet_log 500
net_undisturbed
finish
