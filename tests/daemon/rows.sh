#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that reconnects goes on in its own rows: it can neither fill the table nor lose
# what it owes. A device that was removed and comes again has new ones; the old ones keep
# their charges.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda null:16M
load "$d" --rw read --number 777 >/dev/null
load "$d" --queues 8 --cycles 60 --connect-only >/dev/null
load "$d" --rw read --number 223 >/dev/null
dump >"$W/dump"
expect_json "$W/dump" '.table.generation == 9'
expect_json "$W/dump" '[.rows[] | select(.state != "recycled" and .queue != null)] | length == 8'
expect_json "$W/dump" '[.rows[] | select(.queue == 0 and .domid == 1) | .counters.read_requests] == [1000]'
expect_json "$W/dump" '[.rows[] | select(.state != "recycled" and .queue != null) | .state] | all(. == "retired")'
expect_json "$W/dump" '[.rows[] | select(.domid == 1 and .queue == null) | .state] == ["live"]'

say 'another device of that name'
"$SIMXL" block-detach "$d" xvda
# What is made anew before the daemon has looked is the same device, started over.
forgotten() { dump | jq -e '[.rows[] | select(.domid == 1 and .state == "live")] == []'; }
within 10 forgotten || fail 'the device is still there'
attach "$d" xvda null:16M
load "$d" --rw read --number 5 >/dev/null
dump >"$W/dump"
expect_json "$W/dump" '.table.generation == 11'
expect_json "$W/dump" '[.rows[] | select(.domid == 1 and .queue == null) | .state] | sort == ["live", "retired"]'
expect_json "$W/dump" '[.rows[] | select(.queue == 0 and .domid == 1) | .counters.read_requests] | sort == [5, 1000]'
finish
