#!/bin/sh
# SPDX-License-Identifier: MIT
# A device out of tags: one with four, at which one queue has 128 reads. Another queue of the
# same disk, which has one at a time, is not starved by it, nor that one by this, although
# neither sees the other's I/O end; and no thread is made in the daemon.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip 'needs root for a loop device'
WORKERS=--workers=2
loop=$(losetup --find --show "$(disk image 16M)" 2>"$W/losetup") || skip "no loop device: $(cat "$W/losetup")"
LOOPS=$loop
queue=/sys/block/${loop#/dev/}/queue
tags=$(cat "$queue/nr_requests") scheduler=$(sed 's/.*\[\(.*\)\].*/\1/' "$queue/scheduler")
# The device's queue outlives what it is set up for.
trap 'code=$?; set +e; echo "$tags" >"$queue/nr_requests"; echo "$scheduler" >"$queue/scheduler"
	(exit $code); cleanup' EXIT
echo none >"$queue/scheduler"
echo 4 >"$queue/nr_requests" 2>/dev/null || skip 'the number of tags cannot be set'

host
guest many >/dev/null; guest few >/dev/null
attach 1 xvda "$loop" --mode r
attach 2 xvda "$loop" --mode r
reads() { row "$1" read_requests; }
moved() { [ "$(reads 1)" -gt "$1" ]; }

load_bg "$W/many.out" 1 --rw randread --depth 128 --ring-order 3 --time 1000 --json; many=$BG
within 20 moved 1000 || fail 'nothing comes'
before=$(reads 1)
for i in $(seq 10); do # until one came when there was no tag
	load 2 --rw randread --depth 1 --number 500 >"$W/few.out" || fail 'some were not read'
	[ "$(row 2 offload_read)" = 0 ] || break
done
within 20 moved "$before" || fail 'the many come no more'
[ "$(row 2 offload_read)" -gt 0 ] || fail 'the device was never out of tags for the few'
! grep -q iou-wrk /proc/"$DAEMON"/task/*/comm || fail 'the daemon has threads of io_uring'
end "$many"
expect_json "$W/many.out" '.errors.error == 0 and .stuck_operations == 0'
finish
