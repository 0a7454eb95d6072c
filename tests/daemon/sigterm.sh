#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is told to stop with guests connected, under load and idle: exit code 0, no
# state is written, and in the books it leaves nothing is open and the rows hold exactly
# what the workers charged. Told to give the devices back, it closes them.
. "$(dirname "$0")/lib.sh"

host --workers 2
for n in 1 2 3; do
	guest g$n >/dev/null
	attach $n xvda "$(disk d$n 16M)"
done
load_bg "$W/1.out" 1 --rw randrw --depth 16 --time 30 --timeout 2 --queues 2; p1=$BG
load_bg "$W/2.out" 2 --rw randwrite --depth 1 --time 30 --timeout 2 --flush-every 5; p2=$BG
load_bg "$W/3.out" 3 --hold 30 --timeout 2; p3=$BG
for n in 1 2 3; do state $n back 4; done
sleep 0.5
daemon_stop
for n in 1 2 3; do expect_key "$(back $n)/state" 4; done
dump >"$W/dump"
expect_json "$W/dump" '.table.state == "stopped"'
expect_json "$W/dump" '[.workers[].counters.open] | add == 0'
expect_json "$W/dump" '([.rows[].counters | .exact_parse, .exact_grant, .exact_submit,
	.exact_complete, .exact_respond, .apportioned_parse, .apportioned_grant,
	.apportioned_submit, .apportioned_complete, .apportioned_respond] | add) ==
	([.workers[].counters.charged] | add)'
expect_json "$W/dump" '[.rows[] | select(.state == "live")] | length == 0'
daemon_release
for n in 1 2 3; do expect_key "$(back $n)/state" 6; done
for p in $p1 $p2 $p3; do within 10 gone "$p" || fail 'a guest hangs'; wait "$p" || :; done
finish
