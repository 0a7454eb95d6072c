#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed at random moments, under guests that verify their data: with
# flushes, barriers, persistent grants, indirect requests, rings of 16 pages. No request
# fails and no data is wrong; what it leaves is counted, so that the kills are known to
# have met something.
# usage: kills.sh [KILLS [SEED]]
. "$(dirname "$0")/lib.sh"

kills=${1:-50}
seed=${2:-$(date +%s)}
say "$kills kills, seed $seed"
host
loads="--rw randrw --verify --depth 16 --time 3600 --timeout 60 --json"
guests='' disks='' pids='' n=0
# each NAME OPTION...
each() {
	local name=$1 d; shift
	d=$(guest "$name")
	attach "$d" xvda "$(disk "$name" 16M)"
	# shellcheck disable=SC2086
	load_bg "$W/$name.out" "$d" $loads "$@"
	guests="$guests $d" disks="$disks $d:51712:$W/$name" pids="$pids $BG"
	state "$d" back 4
}
each one --queues 2 --flush-every 7
each two --queues 2 --barrier-every 11 --bs 8k
each three --queues 2 --bs 64k --indirect 32
each four --queues 2 --ring-order 4 --grant-each

fds() { find "/proc/$DAEMON/fd" | wc -l; }
resumed() { [ "$(grep -c 'goes on where the last daemon ended' "$LOG")" -ge $((4 * n)) ]; }
out=0 open=0 unshown=0 pushing=0 busy=0
pause() {
	awk -v s="$seed" -v n="$n" 'BEGIN { srand(s + n); printf "%.3f\n", 0.02 + rand() / 5 }'
}
while [ $n -lt "$kills" ]; do
	n=$((n + 1))
	[ $n != 2 ] || fds0=$(fds)
	sleep "$(pause)"
	[ $n != "$kills" ] || [ "$kills" = 1 ] || [ "$(fds)" -le $((fds0 + 4)) ] ||
		fail "descriptors leak: $fds0, then $(fds)"
	daemon_kill
	# shellcheck disable=SC2086,SC2046
	set -- $("$LEFT" "$TABLE" $disks)
	[ "$1" = 8 ] || fail "kill $n: $1 journals, not 8"
	[ "$2" = 0 ] || out=$((out + 1))
	open=$((open + $2)) unshown=$((unshown + $3)) pushing=$((pushing + $4)) busy=$((busy + $5))
	daemon_start
	within 30 resumed || fail "kill $n: not all devices go on"
	balanced
done
for d in $guests; do
	expect_key "$(back "$d")/state" 4
	expect_key "$(front "$d")/state" 4
done
for p in $pids; do end "$p"; done
for g in one two three four; do
	expect_json "$W/$g.out" '.verify.errors == 0 and .errors.error == 0'
done
say "kills with requests out: $out; requests done again: $open; answered and not shown:" \
	"$unshown; within a push: $pushing; old I/O on its way: $busy"
[ $out -gt 0 ] && [ $open -gt 0 ] || fail 'no kill met a request'
[ "$kills" -lt 50 ] || { [ $unshown -gt 0 ] && [ $busy -gt 0 ]; } ||
	fail 'no kill met an answer that was not shown, or I/O on its way'
grep -q 'a daemon that is gone' "$LOG" && fail 'a device was closed'
# One history: each queue is in the row that it had, and the books go on.
say "settlements torn, and undone: $(awk '/accounts go on/ {
	for (i = 1; i < NF; i++) if ($(i + 1) == "settlements") n += $i } END { print n + 0 }' "$LOG")"
"$XENMETER" dump --all --json --table "$TABLE" >"$W/dump"
expect_json "$W/dump" ".table.life == $n + 1 and ([.rows[] | select(.generation > 0)] |
	length == 12 and ([.[].counters.bills_lost] | add) > 0) and
	([.workers[] | select(.kind == \"past\")] | length) == 1"
finish
