#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that walks through block sizes at depth leaves nothing in the daemon: what it had
# there goes back while a neighbour goes on. (The mark is 64 MiB after ten seconds; here it
# never has as much, and has to leave less.)
. "$(dirname "$0")/lib.sh"

host
for n in one two; do guest $n >/dev/null; done
attach 1 xvda "$(disk a 16M)"
attach 2 xvda "$(disk b 64M)" --set cache=writeback
attach 2 xvdb "$(disk c 64M)"
load_bg "$W/1.out" 1 --rw randread --depth 8 --rate 500 --time 100; neighbour=$BG
state 1 back 4
resident() { awk '/^RssAnon|^RssShmem/ { kib += $2 } END { print kib }' "/proc/$DAEMON/status"; }
before=$(resident) most=0
for bs in 4k 64k 1M; do
	for v in xvda xvdb; do
		load 2 --devid $v --rw randrw --bs $bs --indirect 256 --depth 32 --queues 4 --number 150 >/dev/null
		now=$(resident)
		[ "$now" -le $most ] || most=$now
	done
done
back() { [ "$(resident)" -le $((before + 8192)) ]; }
within 10 back || fail "$(($(resident) - before)) KiB are left"
say "$((most - before)) KiB at the most, $(($(resident) - before)) left"
[ $((most - before)) -gt 1024 ] || fail 'it was never more'
end $neighbour
finish
