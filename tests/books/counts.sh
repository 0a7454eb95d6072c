#!/bin/sh
# SPDX-License-Identifier: MIT
# The rows count what went over the ring, exactly: requests and bytes of each kind, as the
# guests themselves counted them. Two guests with unlike loads: each row has its own.
. "$(dirname "$0")/../daemon/lib.sh"

host --workers 2
guest one >/dev/null; guest two >/dev/null
attach 1 xvda "$(disk a 32M)"; attach 2 xvda "$(disk b 16M)"
load_bg "$W/1.out" 1 --rw randrw --mix 30 --bs 128k --indirect 32 --queues 3 --depth 4 \
	--number 400 --flush-every 9 --json; p1=$BG
load 2 --rw randwrite --bs 4k --number 3000 --depth 16 --barrier-every 10 --flush-every 11 \
	--discard-every 12 --protocol x86_32-abi --json >"$W/2.out"
ended $p1
say 'and refused ones'
load 2 --force --rw read --offset 32m --size 1m --number 25 --json >"$W/err.out" && fail 'accepted'
for g in 1 2; do
	f=$W/$g.out; b=.ring_requests
	expect_row $g read_requests "$(get "$f" $b.read)"
	expect_row $g write_requests "$(get "$f" "$b.write + $b.barrier")"
	expect_row $g flush_requests "$(get "$f" $b.flush)"
	expect_row $g discard_requests "$(get "$f" $b.discard)"
	expect_row $g read_bytes "$(get "$f" .bytes.read)"
	expect_row $g write_bytes "$(get "$f" '.bytes.write + .bytes.barrier')"
	expect_row $g discard_bytes "$(get "$f" .bytes.discard)"
	expect_row $g bytes "$(get "$f" '[.bytes[]] | add')"
done
expect_row 1 requests "$(get "$W/1.out" '[.ring_requests[]] | add')"
expect_row 1 refused 0
expect_row 2 refused 25
expect_row 2 errors 25
expect_row 2 requests $(($(get "$W/2.out" '[.ring_requests[]] | add') + 25))
n=$(dump | jq '[.rows[] | select(.domid == 1 and .queue != null)] | length')
[ "$n" = 3 ] || fail "$n rows for 3 queues"
expect_row 2 read_bytes 0
get "$W/1.out" '"guest 1: \(.ring_requests)"'
get "$W/2.out" '"guest 2: \(.ring_requests)"'
finish
