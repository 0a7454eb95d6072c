#!/bin/sh
# SPDX-License-Identifier: MIT
# Keys that are rewritten between two reads of them, while the daemon connects (XSA-349).
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
rounds=150
offend rekey $rounds
connected=$(cat "$W/offender")
say "$rounds handshakes, $connected of them came to something"
# Else the daemon read nothing that was rewritten.
[ "$connected" -lt $rounds ] || fail 'nothing was refused'
load 1 --rw randrw --verify --number 100
[ "$(wc -l <"$LOG")" -lt $((100 + 4 * rounds)) ] || fail 'the log is flooded'
undisturbed
finish
