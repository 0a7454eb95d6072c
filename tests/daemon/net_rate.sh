#!/bin/sh
# SPDX-License-Identifier: MIT
# `rate` bounds what a guest sends, all of its queues together, from the moment it is
# written; what it receives is not bounded.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
one=$(guest one); two=$(guest two)
vif_attach "$one" 0 --set rate=50000,50000 # a megabyte a second
vif_attach "$two"
netload_bg "$W/one.out" "$one" generate --json --queues 2 --time 300 --size 1000
sender=$BG
"$SIMXL" wait-state "$one" vif:0 back 4
b=$(back "$one" 0)

now_us() { echo $(($(date +%s%N) / 1000)); }
turns() { dump | jq '[.workers[].counters.turns] | add'; }
# measure: sets SPEED to what the guest sends in a second or more, bytes a second, and
# TURNS to the worker's turns a second
measure() {
	local bytes us turns
	turns=$(turns); bytes=$(row "$one" tx_bytes); us=$(now_us)
	sleep 1.5
	bytes=$(($(row "$one" tx_bytes) - bytes)); us=$(($(now_us) - us))
	turns=$(($(turns) - turns))
	SPEED=$((bytes * 1000 / (us / 1000)))
	TURNS=$((turns * 1000 / (us / 1000)))
	say "$1: $SPEED bytes a second, $TURNS turns"
}
# bounded RATE INTERVALS: a tenth and a burst more than the rate at most; and not nothing,
# however seldom a busy machine lets the guest send.
# An interval takes some three turns (credit, frames, the guest's event), not one after
# the other until it is over.
bounded() {
	[ $TURNS -lt $(($2 * 8 + 20)) ] || fail "$TURNS turns for $2 intervals"
	[ $SPEED -lt $(($1 + $1 / 5)) ] || fail "$SPEED is too fast for $1"
	[ $SPEED -gt $(($1 / 16)) ] || fail "$SPEED is too slow for $1"
}
sleep 0.2
measure 'rate=50000,50000'; bounded 1000000 20
limited=$TURNS
xenstore-write "$b/rate" 400000,100000
sleep 0.2
measure 'rate=400000,100000'; bounded 4000000 10
xenstore-rm "$b/rate"
sleep 0.2
measure 'no rate'
[ $SPEED -gt 8000000 ] || fail 'it is limited still'
[ $((limited * 2)) -le $((TURNS * 3)) ] || fail "a limit of 1 MB/s takes $limited turns, none $TURNS"
xenstore-write "$b/rate" 20000,100000
sleep 0.3
measure 'rate=20000,100000'; bounded 200000 10
net_killed "$one"
sleep 0.3
measure 'the same, after a kill'; bounded 200000 10

say 'what it receives is not bounded'
end "$sender"
netload_bg "$W/one.out" "$one" sink --json --time 300
sink=$BG
netload_ready "$one"
before=$(row "$one" rx_frames)
netload_send "$W/two.out" "$two" -n 2000 --rate 4000 --size 1000 \
	--dst "00:16:3e:00:$(printf %02x "$one"):00"
all() { [ $(($(row "$one" rx_frames) - before)) = 2000 ]; }
within 2 all || fail 'it does not come'
end "$sink"
finish
