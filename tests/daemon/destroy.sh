#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest is destroyed with I/O in flight: its pages are unmapped at once (else simxl calls
# it a zombie), its row is retired with its charges, its neighbour does not notice.
. "$(dirname "$0")/lib.sh"

host
two=$(guest two)
attach "$two" xvda "$(disk b 16M)"
load_bg "$W/two.out" "$two" --rw randrw --verify --depth 4 --time 300 --json; two_pid=$BG
moving() { [ "$(row "$one" requests)" -gt 0 ]; }
for mode in --persistent --grant-each --no-persistent; do
	one=$(guest "one$mode")
	attach "$one" xvda "$(disk a 16M)"
	load_bg "$W/one.out" "$one" --rw randrw --depth 32 --time 30 --indirect 128 \
		--bs 256k --queues 2 $mode
	state "$one" back 4
	within 20 moving || fail 'no requests'
	sleep 0.3
	"$SIMXL" destroy "$one" || fail 'destroy'
	kill -KILL "$BG"; wait "$BG" 2>/dev/null || :
	LEAKS_MEANT="${LEAKS_MEANT:+$LEAKS_MEANT|}domain $one,"
	dump >"$W/dump"
	expect_json "$W/dump" "[.rows[] | select(.domid == $one and .queue != null)] |
		length == 2 and all(.state == \"retired\")"
	[ "$(row "$one" requests)" -gt 0 ] || fail 'its charges are lost'
done
end "$two_pid"
expect_json "$W/two.out" '.verify.errors == 0 and .errors.error == 0 and .operations > 50'
finish
