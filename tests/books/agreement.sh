#!/bin/sh
# SPDX-License-Identifier: MIT
# The cycles charged, open and overhead of a worker, as seconds, agree with the kernel's
# CPU clock of its thread: within 2 % for an otherwise idle null disk over 10 s. Tried
# three times; if other programs kept taking the CPU away, only reported.
. "$(dirname "$0")/../daemon/lib.sh"

[ "${SANITIZE:-none}" = none ] || skip 'times of a sanitized build mean nothing'
host
d=$(guest one)
attach "$d" xvda null:1G
sample() { dump | jq -c '.table.clock_khz as $khz | .workers[0].counters |
	[.charged + .open + .overhead, .cpu_ns, $khz, .elapsed]'; }
# Times that the worker had to make room although it could have gone on.
pushed() { awk '/^nonvoluntary/ { print $2 }' "/proc/$DAEMON/task/$tid/status"; }
try=0
while [ $try -lt 3 ]; do
	try=$((try + 1))
	load_bg "$W/load.out" "$d" --rw randread --depth 8 --time 10.5
	state "$d" back 4
	sleep 0.2
	tid=$(dump | jq '.workers[0].tid')
	p0=$(pushed); s0=$(sample)
	sleep 10
	s1=$(sample); p1=$(pushed)
	ended "$BG"
	result=$(jq -n --argjson a "$s0" --argjson b "$s1" \
		'(($b[0] - $a[0]) / $b[2] * 1e6) / ($b[1] - $a[1])')
	say "try $try: ratio $result, CPU switched away $((p1 - p0)) times"
	! jq -ne "$result > 0.98 and $result < 1.02" >/dev/null || { finish; exit 0; }
done
[ $((p1 - p0)) -lt 50 ] || { finish; skip "others use the CPUs; ratio $result"; }
fail "ratio $result"
