#!/bin/sh
# SPDX-License-Identifier: MIT
# What a guest's storage helper runs is its row's, exactly, whoever else has one at the same
# time; and it is what the kernel counted for that process, within 15 %.
. "$(dirname "$0")/../daemon/lib.sh"

host
for n in 1 2 3; do guest g$n >/dev/null; done
attach 1 xvda "$(disk a 64M)"; attach 2 xvda "$(disk b 64M)"; attach 3 xvda null:1G

# disk_row DOMID COUNTER: the row of its disk's queue, without the control thread's
disk_row() {
	dump | jq --argjson d "$1" --arg c "$2" '[.rows[] |
		select(.domid == $d and .queue != null) | .counters[$c]] | add // 0'
}
# ran DOMID: what its helper has run, ns, by the kernel
ran() { awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1e9 / hz) }' "/proc/$(helper "$1")/stat"; }
# charged DOMID: what it was charged for that, ns
charged() { dump | jq --argjson c "$(disk_row "$1" offload_cycles)" '$c / .table.clock_khz * 1e6 | floor'; }
# All of it is exact. Both counters are of one dump: the load goes on meanwhile.
expect_exact() {
	dump | jq -e --argjson d "$1" '[.rows[] | select(.domid == $d and .queue != null) |
		.counters] | map(.offload_cycles) as $all |
		($all | add) > 0 and $all == map(.offload_exact)' >/dev/null ||
		fail "guest $1: flushes cost nothing, or not exactly"
}

load_bg "$W/1.out" 1 --rw randwrite --depth 8 --flush-every 2 --time 2; one=$BG
load_bg "$W/2.out" 2 --rw randwrite --depth 2 --flush-every 20 --time 2; two=$BG
load_bg "$W/3.out" 3 --rw randread --depth 4 --time 2; reader=$BG
sleep 1.5
for d in 1 2; do
	before=$(ran $d); c=$(charged $d); after=$(ran $d)
	say "guest $d: its helper ran $before to $after ns, charged $c ns"
	expect_exact $d
	[ "$c" -gt $((before * 85 / 100 - 20000000)) ] && [ "$c" -lt $((after * 115 / 100 + 20000000)) ] ||
		fail 'they do not agree'
done
ended $one; ended $two; ended $reader
[ "$(disk_row 3 offload_cycles)" = 0 ] || fail 'a null disk needs no helper'
finish
