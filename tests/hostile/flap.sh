#!/bin/sh
# SPDX-License-Identifier: MIT
# A frontend's state changes at speed, in every order; then it behaves, and is served.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
for n in 1 2 3 4; do
	offend flap 600
	say "$(cat "$W/offender")"
	kill -0 "$DAEMON" || fail 'the daemon has died'
done
load 1 --rw randrw --verify --number 100
[ "$(wc -l <"$LOG")" -lt 400 ] || fail 'the log is flooded'
undisturbed
finish
