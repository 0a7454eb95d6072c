#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk is taken away while its guest floods the event channel (XSA 331, 441): it closes
# in order, the daemon and the neighbour go on, and the next connection works.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
for round in 1 2 3; do
	"$SIMXL" run 1 "$HOSTILE/flood" events 100000000 >/dev/null 2>&1 &
	flood=$!
	PIDS="$PIDS $flood"
	state 1 back 4
	flooded() { [ "$(row 1 events)" -ge $((10 * round)) ]; }
	within 10 flooded || fail 'no events came'
	# Its frontend never closes, and dies with the storm at its height.
	"$SIMXL" block-detach 1 xvda >/dev/null 2>&1 &
	detach=$!
	sleep 1
	kill -KILL "$flood"; wait "$flood" 2>/dev/null || :
	xenstore-write "$(front 1)/state" 6
	ended "$detach"
	attach 1 xvda "$W/a"
done
[ "$("$SIMXL" run 1 "$BLKLOAD" --number 50 --json | jq .errors.error)" = 0 ] ||
	fail 'it does not work any more'
paid exact_parse
undisturbed
finish
