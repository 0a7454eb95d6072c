#!/bin/sh
# SPDX-License-Identifier: MIT
# The vif is unplugged in a storm of events (XSA-331), again and again; then its domain dies
# with frames on their way in both directions. Nothing stays behind.
. "$(dirname "$0")/net_lib.sh"

busy() {
	offend_bg net_busy "$1"
	within 10 grep -q busy "$W/offender" || fail 'not busy'
	"$HOSTILE/ether" send vif1.0 10000000 1000 2000 2>/dev/null &
	SENDER=$!
	PIDS="$PIDS $SENDER"
	moved() { [ "$(row 1 rx_frames)" -gt $((RX + 20)) ]; }
	within 10 moved || fail 'nothing comes in'
}

no_link() { ! has_link vif1.0; }

no_row() {
	dump | jq -e '[.rows[] | select(.domid == 1 and .queue != null and .state != "retired")] |
		length == 0'
}

# end_of_it PID...: they end by themselves or not
end_of_it() { kill "$@" 2>/dev/null || :; wait "$@" 2>/dev/null || :; }

net_scene
for n in 1 2 3 4 5; do
	RX=$(row 1 rx_frames)
	busy storm
	"$SIMXL" vif-detach 1 0 || fail 'not unplugged'
	within 10 no_link || fail 'its interface is still there'
	end_of_it $OFFENDER $SENDER
	net_attach_offender
done
say 'its domain dies'
RX=$(row 1 rx_frames)
busy storm
"$SIMXL" destroy 1 || fail 'something of it stays'
end_of_it $OFFENDER $SENDER
within 10 no_link || fail 'its interface is still there'
within 10 no_row || fail 'a row is in use'
expect_no_key "$HOME0/error/backend/vif/1/0/error"
paid tx_grant_cycles
paid rx_grant_cycles
net_undisturbed
finish
