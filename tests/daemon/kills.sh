#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed at random moments, under guests that verify their data: with
# flushes, barriers, persistent grants, indirect requests, rings of 16 pages. The disk of
# one hangs over several kills. No request fails and no data is wrong; what is left is
# counted, so that the kills are known to have met something. Of five kills, two are put
# at places that random ones hardly find: within an update of the table, and within the
# moment in which answers are shown.
# usage: kills.sh [KILLS [SEED]]   50, or 20 where sanitizers make each start slow
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hang.sh"

fewer=20
[ "${SANITIZE:-none}" != none ] || fewer=50
kills=${1:-$fewer}
seed=${2:-$(date +%s)}
say "$kills kills, seed $seed"
for what in filesystem device helper; do
	hang_prepare $what 4 && break
	say "$what: $hang_why"
done
say "what hangs: the $what"
trap hang_cleanup EXIT
# step would see each byte that the C library copies by one repeated instruction.
export GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=0x7fffffff:glibc.cpu.x86_rep_stosb_threshold=0x7fffffff
host
loads="--rw randrw --verify --depth 16 --time 36000 --timeout 60 --json"
guests='' disks='' pids='' n=0
# each NAME TARGET OPTION...
each() {
	local name=$1 target=$2 d; shift 2
	d=$(guest "$name")
	attach "$d" xvda "$target"
	# shellcheck disable=SC2086
	load_bg "$W/$name.out" "$d" $loads "$@"
	guests="$guests $d" disks="$disks $d:51712:$target" pids="$pids $BG"
	state "$d" back 4
}
each one "$(disk one 16M)" --queues 2 --flush-every 7
each two "$(disk two 16M)" --queues 2 --barrier-every 11 --bs 8k
each three "$(disk three 16M)" --queues 2 --bs 64k --indirect 32
each four "$hang_target" --queues 2 --ring-order 4 --grant-each --flush-every 9

fds() { find "/proc/$DAEMON/fd" | wc -l; }
# resumed DOMID...: so many lives have taken them up, all of them together
resumed() {
	local d sum=0
	for d; do
		sum=$((sum + $(grep -c "vbd/$d/51712.*goes on where the last daemon ended" "$LOG")))
	done
	[ $sum -ge $((n * $#)) ]
}
# A life that began while the disk hung may have ended before it could take it up.
moved() { [ "$(row 4 write_requests)" -gt "$1" ]; }
hang_ends() {
	resume
	hanging=
	within 60 moved "$(row 4 write_requests)" || fail "kill $n: the disk that hung does not go on"
}
out=0 open=0 unshown=0 pushing=0 busy=0 hanging='' hung=0 hung_busy=0 steered=yes
pause() {
	awk -v s="$seed" -v n="$n" 'BEGIN { srand(s + n); printf "%.3f\n", 0.02 + rand() / 5 }'
}
# kill_within PLACE: step says where that is. It may be that no guest is at it just then.
kill_within() {
	local code=0
	"$STEP" "$DAEMON" worker-0 "$1" "$TABLE" >"$W/step" || code=$?
	case $code in
	0) daemon_gone; return ;;
	1) ;;
	77) steered=; say "$(tail -n 1 "$W/step")" ;;
	*) cat "$W/step"; fail "step: $code" ;;
	esac
	daemon_kill
}
while [ $n -lt "$kills" ]; do
	n=$((n + 1))
	[ $n != 2 ] || fds0=$(fds)
	case $((n % 20)) in
	8) hang && hanging=yes || say 'it does not hang' ;;
	14) hang_ends ;;
	esac
	sleep "$(pause)"
	[ $n != "$kills" ] || [ "$kills" = 1 ] || [ "$(fds)" -le $((fds0 + 4)) ] ||
		fail "descriptors leak: $fds0, then $(fds)"
	case ${steered:+$((n % 5))} in
	3) kill_within torn ;;
	4) kill_within pushing ;;
	*) daemon_kill ;;
	esac
	# shellcheck disable=SC2086,SC2046
	set -- $("$LEFT" "$TABLE" $disks)
	[ "$1" = 8 ] || fail "kill $n: $1 journals, not 8"
	[ "$2" = 0 ] || out=$((out + 1))
	open=$((open + $2)) unshown=$((unshown + $3)) pushing=$((pushing + $4)) busy=$((busy + $5))
	if [ -n "$hanging" ]; then
		# shellcheck disable=SC2046
		set -- $("$LEFT" "$TABLE" "4:51712:$hang_target")
		hung=$((hung + 1)) hung_busy=$((hung_busy + $5))
	fi
	daemon_start
	within 30 resumed 1 2 3 || fail "kill $n: not all devices go on"
	balanced
done
[ -z "$hanging" ] || hang_ends
for d in $guests; do
	expect_key "$(back "$d")/state" 4
	expect_key "$(front "$d")/state" 4
done
for p in $pids; do end "$p"; done
for g in one two three four; do
	expect_json "$W/$g.out" '.verify.errors == 0 and .errors.error == 0'
done
torn=$(awk '/accounts go on/ {
	for (i = 1; i < NF; i++) if ($(i + 1) == "settlements") n += $i } END { print n + 0 }' "$LOG")
say "kills with requests out: $out; requests done again: $open; answered and not shown:" \
	"$unshown; within a push: $pushing; old I/O on its way: $busy, of the disk that hung" \
	"$hung_busy in $hung kills; settlements torn, and undone: $torn"
[ $out -gt 0 ] && [ $open -gt 0 ] || fail 'no kill met a request'
[ "$kills" -lt 50 ] || { [ $unshown -gt 0 ] && [ $busy -gt 0 ] && [ $hung_busy -gt 0 ]; } ||
	fail 'no kill met an answer that was not shown, or I/O on its way'
[ "$kills" -lt 50 ] || [ -z "$steered" ] || { [ "$torn" -gt 0 ] && [ $pushing -gt 0 ]; } ||
	fail 'no kill met an update of the table, or a push'
grep -q 'a daemon that is gone' "$LOG" && fail 'a device was closed'
# One history: each queue is in the row that it had, and the books go on.
"$XENMETER" dump --all --json --table "$TABLE" >"$W/dump"
expect_json "$W/dump" ".table.life == $n + 1 and ([.rows[] | select(.generation > 0)] |
	length == 12 and ([.[].counters.bills_lost] | add) > 0) and
	([.workers[] | select(.kind == \"past\")] | length) == 1"
for d in $guests; do "$SIMXL" block-detach "$d" xvda; done
hang_remove
trap cleanup EXIT
finish
