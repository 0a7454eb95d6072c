#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that rewrites its keys for ever is looked at for ever: that stands in its control
# row, not in the overhead, and not with its neighbour. So does what libxenstore's thread
# read for it, which once stood in no row if the storm was over before the first tick. And
# one that goes on is not served for the rest of each second.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
ctl() { # DOMID: cycles in its control rows; offloaded ones are libxenstore's thread's
	dump | jq --argjson d "$1" '[.rows[] | select(.domid == $d and .queue == null) |
		.counters | .exact_parse + .apportioned_parse + .offload_cycles] | add // 0'
}
offloaded() { row 1 offload_cycles; }
overhead() { dump | jq '.workers[] | select(.kind == "control") | .counters |
	.overhead + .offload_unattributed'; }
events() { row "$1" store_events; }
offload() { dump | jq ".workers[] | select(.kind == \"control\") | .counters.$1"; }
c1=$(ctl 1); c2=$(ctl 2); o=$(overhead); e=$(events 1)
all=$(offload offload); nobody=$(offload offload_unattributed); mine=$(offloaded)
offend storm 2000
sleep 0.5
c1=$(($(ctl 1) - c1)); c2=$(($(ctl 2) - c2)); o=$(($(overhead) - o)); e=$(($(events 1) - e))
say "2000 keys, $e events: the offender's $c1 cycles, its neighbour's $c2, overhead $o"
[ "$e" -ge 1000 ] || fail 'not counted'
[ "$c1" -gt 1000000 ] || fail 'the offender does not pay'
[ "$c1" -gt $((10 * c2)) ] || fail 'the neighbour pays'
all=$(($(offload offload) - all)); nobody=$(($(offload offload_unattributed) - nobody))
mine=$(($(offloaded) - mine))
say "of libxenstore's thread's $all cycles, $mine are the offender's, $nobody nobody's"
[ $((2 * mine)) -gt "$all" ] || fail 'it does not pay for what was read for it'
[ $((10 * nobody)) -lt "$all" ] || fail 'nobody pays for what was read'
say 'devices that nobody knows are no guest of ours'
c1=$(ctl 1); o=$(overhead)
n=0
while [ $n -lt 50 ]; do
	xenstore-write "$HOME0/backend/vbd/99/$n/x" 1
	n=$((n + 1))
done
sleep 0.5
[ $(($(overhead) - o)) -gt $((2 * ($(ctl 1) - c1))) ] || fail 'the guest pays for others'
say 'and what a guest does too often is not listened to'
m=$(row 1 muted); e=$(events 1)
offend storm 30000
sleep 1.1 # the second is over: served again
m=$(($(row 1 muted) - m)); e=$(($(events 1) - e))
say "30000 keys, $e events, muted in $m seconds"
[ "$m" -ge 1 ] || fail 'the offender is always served'
[ "$e" -lt 15000 ] || fail 'too many changes are handled'
[ "$(grep -c 'changes of its keys' "$LOG")" -le $((m + 1)) ] || fail 'the log is flooded'
expect_row 2 muted 0
load 1 --rw read --size 400k --bs 4k --json >"$W/again.out"
expect_json "$W/again.out" '.operations == 100 and .errors.error == 0'
undisturbed
finish
