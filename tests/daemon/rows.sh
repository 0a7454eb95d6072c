#!/bin/sh
# SPDX-License-Identifier: MIT
# More queues come and go than the table has rows: rows are used again, their generation
# grows, and row 0 keeps the sums of those that made room.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one); guest two >/dev/null
attach "$d" xvda null:16M; attach 2 xvda null:16M
load "$d" --rw read --number 777 >/dev/null
while [ "$(dump | jq .table.generation)" -lt 4500 ]; do
	load "$d" --queues 8 --cycles 80 --connect-only >/dev/null &
	load 2 --queues 8 --cycles 80 --connect-only >/dev/null
	wait $!
done
dump >"$W/dump"
expect_json "$W/dump" '[.rows[].counters.read_requests] | add == 777'
expect_json "$W/dump" '.rows[] | select(.state == "recycled") | .counters.read_requests == 777'
expect_json "$W/dump" '[.rows[] | select(.state != "recycled")] | length == 4095'
expect_json "$W/dump" '[.rows[] | select(.state != "recycled") | .generation] |
	(length == (unique | length)) and min > 1'
finish
