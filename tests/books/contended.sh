#!/bin/sh
# SPDX-License-Identifier: MIT
# With 0, 1 and 3 busy competitors on the worker's CPU: over every window of a second the
# books balance to the cycle, and what was charged, open and overhead, less what was
# stolen of it, agrees with the thread's CPU clock within 1 %. XENMETER_SECONDS (default 3)
# for each. The law fails hard; the agreement of two clocks is tried three times, and then
# only reported.
. "$(dirname "$0")/../daemon/lib.sh"

[ "${SANITIZE:-none}" = none ] || skip 'times of a sanitized build mean nothing'
need taskset util-linux
seconds=${XENMETER_SECONDS:-3}
host
for n in 1 2; do guest g$n >/dev/null; done
attach 1 xvda null:1G
attach 2 xvda "$(disk a 16M)"
cpu=$(($(nproc) - 1))
tid=$(dump | jq '.workers[0].tid')
taskset -p -c $cpu "$tid" >/dev/null

books() { dump | jq -c '.table.clock_khz as $khz | .workers[0].counters as $n |
	if ($n | .charged + .open + .idle + .overhead + .unattributed == .elapsed) and
		($n | .offload_charged + .offload_unattributed == .offload) and
		$n.audits_failed == 0
	then $n | [((.charged + .open + .overhead + .unattributed - .not_running - .stolen) /
		$khz * 1e6), .cpu_ns] else "unbalanced" end'; }

# windows: the worst disagreement of any window, in %, in $worst
windows() {
	local before now n=0
	worst=0
	before=$(books)
	while [ $n -lt "$seconds" ]; do
		n=$((n + 1))
		sleep 1
		now=$(books)
		[ "$now" != '"unbalanced"' ] || fail 'the books do not balance'
		worst=$(jq -n --argjson a "$before" --argjson b "$now" --argjson w "$worst" '
			[$w, ((($b[0] - $a[0]) / ($b[1] - $a[1]) - 1) * 100 | fabs)] | max')
		before=$now
	done
}

off=0
for competitors in 0 1 3; do
	busy=
	n=0
	while [ $n -lt $competitors ]; do
		n=$((n + 1))
		taskset -c $cpu sh -c 'while :; do :; done' &
		busy="$busy $!"; PIDS="$PIDS $!"
	done
	try=0
	while [ $try -lt 3 ]; do
		try=$((try + 1))
		load_bg "$W/1.out" 1 --rw randread --depth 8 --time $((2 * seconds + 60)); p1=$BG
		load_bg "$W/2.out" 2 --rw randrw --depth 4 --flush-every 7 --time $((2 * seconds + 60)); p2=$BG
		state 1 back 4; state 2 back 4
		windows
		end $p1; end $p2
		say "$competitors competitors: the worst of $seconds windows is $worst % off; $(dump |
			jq -r '.workers[0].counters | "not running \(.not_running), stolen \(.stolen), of \(.elapsed) cycles"')"
		! jq -ne "$worst < 1" >/dev/null || break
		[ $try -lt 3 ] || off=$((off + 1))
	done
	for p in $busy; do kill -KILL "$p"; wait "$p" 2>/dev/null || :; done
done
finish
[ $off = 0 ] || skip "the two clocks differ in $off cases"
