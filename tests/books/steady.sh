#!/bin/sh
# SPDX-License-Identifier: MIT
# The law: on each worker, at each publication, rows + open bills + idle + overhead +
# unattributed = elapsed, to the cycle. Looked at each second while a mixed load runs.
# The sum of all rows lies between what was charged before it was read and what was
# charged a publication later. Argument: workers.
. "$(dirname "$0")/../daemon/lib.sh"

host --workers "$1"
for n in 1 2 3; do
	guest g$n >/dev/null
	attach $n xvda "$(disk d$n 16M)"
done
guest null >/dev/null
attach 4 xvda null:1G
load_bg "$W/1.out" 1 --rw randrw --depth 8 --bs 32k --indirect 32 --time 30 --queues 2; p=$BG
load_bg "$W/2.out" 2 --rw randwrite --grant-each --flush-every 7 --discard-every 9 --time 30 \
	--rate 500; p="$p $BG"
load_bg "$W/3.out" 3 --rw randwrite --barrier-every 5 --depth 4 --time 30; p="$p $BG"
load_bg "$W/4.out" 4 --rw randread --no-persistent --depth 4 --time 30; p="$p $BG"
for n in 1 2 3 4; do state $n back 4; done

charged() { dump | jq '[.workers[].counters.charged] | add'; }
n=0
while [ $n -lt 5 ]; do
	n=$((n + 1))
	sleep 0.6
	before=$(charged)
	dump >"$W/dump"
	expect_json "$W/dump" '.workers | all(.torn == false and .counters.audits_failed == 0)'
	expect_json "$W/dump" '.workers | all(.counters |
		.charged + .open + .idle + .overhead + .unattributed == .elapsed)'
	rows=$(get "$W/dump" .books.rows_charged)
	caught_up() { [ "$(charged)" -ge "$rows" ]; }
	[ "$rows" -ge "$before" ] || fail "the rows have $rows cycles, $before were charged before"
	within 3 caught_up || fail "the rows have $rows cycles, only $(charged) were charged"
done
get "$W/dump" '.workers[].counters | "audits \(.audits), charged \(.charged), open \(.open
	), idle \(.idle), overhead \(.overhead), unattributed \(.unattributed)"'
get "$W/dump" '"agreement with the thread clock: \([.workers[].cpu_ratio])"'
expect_json "$W/dump" '.workers | all(.counters.audits > 2)'
# What ran for one row alone; the demo's load has 98 %.
exact=$(get "$W/dump" '[.rows[].counters | to_entries[] | select(.value > 0)] |
	([.[] | select(.key | startswith("exact_")) | .value] | add) as $e |
	([.[] | select(.key | startswith("apportioned_")) | .value] | add // 0) as $a |
	100 * $e / ($e + $a)')
say "$exact % of what was charged is exact"
jq -ne "$exact >= 90" >/dev/null || fail 'too much is apportioned'
for g in $p; do end "$g"; done
finish
