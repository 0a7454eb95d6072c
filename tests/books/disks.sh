#!/bin/sh
# SPDX-License-Identifier: MIT
# One guest with three disks of four queues each, on two workers: a file that is flushed, one
# through the page cache, whose I/O is all its helper's, and a null disk, which needs none.
# Each row adds up by stages and by kinds, all rows are what the threads charged, and the
# helper's CPU stands in the rows of the disks that it worked for, within 15 %.
. "$(dirname "$0")/../daemon/lib.sh"

WORKERS=--workers=2
host
guest one >/dev/null
dd if=/dev/zero of="$W/a" bs=1M count=16 status=none
attach 1 xvda "$W/a"
attach 1 xvdb "$(disk b 16M)" --set cache=writeback
attach 1 xvdc null:16M
many='--queues 4 --depth 8 --rw randrw'
load_bg "$W/a.out" 1 --devid xvda $many --number 9000 --flush-every 10; a=$BG
load_bg "$W/b.out" 1 --devid xvdb $many --number 9000; b=$BG
load_bg "$W/c.out" 1 --devid xvdc $many --number 36000; c=$BG
ended $a; ended $b; ended $c

# of DEVID COUNTER: of the disk's four queues
of() {
	dump | jq --argjson v "$1" --arg c "$2" '[.rows[] |
		select(.devid == $v and .queue != null) | .counters[$c]] | add'
}
# helper_ns: what the helper has run, by the kernel; helped_ns: what its guest paid for that
helper_ns() { awk -v hz="$(getconf CLK_TCK)" '{ print int(($14 + $15) * 1e9 / hz) }' "/proc/$(helper 1)/stat"; }
helped_ns() {
	dump | jq '([.rows[] | select(.domid == 1) | .counters | .offload_cycles - .offload_store] |
		add) / .table.clock_khz * 1e6 | floor'
}
agree() {
	local ran=$(helper_ns) paid=$(helped_ns)
	[ "$paid" -gt $((ran * 85 / 100 - 20000000)) ] && [ "$paid" -lt $((ran * 115 / 100 + 20000000)) ]
}
within 5 agree || fail "the helper ran $(helper_ns) ns, charged $(helped_ns) ns"
daemon_stop

say 'requests, by disk'
[ "$(dump | jq '[.rows[] | select(.devid != null and .queue != null and .domid == 1)] | length')" = 12 ] || fail 'not 12 queues'
for v in 51712 51728 51744; do
	expected=$(case $v in 51744) echo 36000 ;; *) echo 9000 ;; esac)
	[ "$(of $v requests)" = $expected ] || fail "disk $v: $(of $v requests) requests"
done

say 'helpers, by kind'
[ "$(of 51744 offload_cycles)" = 0 ] || fail 'the null disk needs no helper'
[ "$(of 51712 offload_flush)" -gt 0 ] || fail 'flushes cost nothing'
for k in read write; do
	[ "$(of 51728 offload_$k)" -gt 0 ] || fail "$k through the page cache costs nothing"
done
for v in 51712 51728; do
	[ "$(of $v offload_discard) $(of $v offload_store)" = '0 0' ] || fail "disk $v: kinds that never came"
done
[ "$(of 51728 offload_flush)" = 0 ] || fail 'flushes that never came cost something'

say 'sums'
dump >"$W/end"
expect_json "$W/end" 'all(.rows[].counters; .offload_cycles ==
	.offload_read + .offload_write + .offload_flush + .offload_discard + .offload_store + .offload_other)'
expect_json "$W/end" 'all(.rows[].counters; .offload_exact <= .offload_cycles)'
expect_json "$W/end" 'all(.rows[] | select(.device == "vbd") | .counters; .request_cycles_sum ==
	.read_cycles + .write_cycles + .flush_cycles + .discard_cycles + .refused_cycles)'
# No more is on requests' bills than their rows were charged in all.
stages='to_entries | map(select(.key | test("^(exact|apportioned)_")) | .value) | add'
expect_json "$W/end" "all(.rows[].counters; .request_cycles_sum <= ($stages))"
expect_json "$W/end" "([.rows[].counters | $stages] | add) == ([.workers[].counters.charged] | add)"
expect_json "$W/end" '([.rows[].counters.offload_cycles] | add) == ([.workers[].counters.offload_charged] | add)'
expect_json "$W/end" 'all(.workers[].counters; .elapsed == .idle + .overhead + .unattributed + .charged + .open
	and .offload == .offload_charged + .offload_unattributed)'
finish
