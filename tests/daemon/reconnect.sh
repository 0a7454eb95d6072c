#!/bin/sh
# SPDX-License-Identifier: MIT
# A frontend that closed comes back: Closed -> Initialising, at length and in a row.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
b=$(back "$d")
load "$d" --rw write --verify-state "$W/gen" --number 200
state "$d" back 6
xenstore-write "$(front "$d")/state" 1
state "$d" back 2
load "$d" --rw read --verify-state "$W/gen" --number 200
load "$d" --connect-only --cycles 20 >/dev/null
load "$d" --rw randrw --verify-state "$W/gen" --number 200
kill -0 "$DAEMON"
rows=$(dump | jq "[.rows[] | select(.domid == $d and .queue != null)] | length")
[ "$rows" = 1 ] || fail "$rows rows for one device"
finish
