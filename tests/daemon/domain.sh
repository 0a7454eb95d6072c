#!/bin/sh
# SPDX-License-Identifier: MIT
# The programs in the kernel that measure the whole domain: loaded when guests are served,
# by a process of their own, gone with the daemon however it ends, and not needed to serve
# a guest.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip 'only root may load programs into the kernel'
# programs: how many of ours the kernel has for this daemon
programs() { ls -l "/proc/$DAEMON/fd" 2>/dev/null | grep -cE 'anon_inode:bpf[-_](link|raw|tracing)' || :; }
loader_is_gone() { [ "$(pgrep -c -P "$DAEMON")" = 1 ]; } # the launcher is left

serve() {
	load "$one" --rw randrw --verify --depth 4 --number 300 --json >"$W/one.out"
	expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0'
}

host_for nobody
one=$(guest one)
attach "$one" xvda "$(disk a 16M)"
serve
[ "$(programs)" = 0 ] || fail 'switched off, it loads programs'
! grep -q 'the domain.s CPU' "$LOG" || fail 'switched off, it speaks of the domain'
daemon_stop

DOMAIN=--domain=on
daemon_start --user nobody
[ "$(grep -c 'the domain.s CPU is' "$LOG")" = 1 ] || fail 'not one line says what it does'
serve
grep -q 'the domain.s CPU is measured' "$LOG" || {
	[ "$(programs)" = 0 ] || fail 'programs are left of a refused load'
	# Without rights or types it cannot be had. But a program that the verifier has read
	# and refused is a defect of ours.
	! grep -q 'BEGIN PROG LOAD LOG' "$TABLE.refusal" 2>/dev/null || {
		cat "$TABLE.refusal"
		fail 'the verifier refuses a program'
	}
	finish
	skip "$(grep -o 'the domain.s CPU is.*' "$LOG")"
}
say "$(programs) programs"
"$SIMXL" run 0 "$XENMETERD" --probe >"$W/probe" || fail '--probe'
grep -q "^domain's CPU *measured" "$W/probe" || { cat "$W/probe"; fail '--probe does not say so'; }
[ "$(programs)" -gt 4 ] || fail 'programs are missing'
within 10 loader_is_gone || fail 'the process that loaded them is still there'
# A process of the domain's own has a line with what it ran by its own clock, but for the
# interrupts within.
cp /bin/sh "$W/spinner"
# shellcheck disable=SC2016
"$W/spinner" -c 'i=0; while [ $i -lt 400000 ]; do i=$((i + 1)); done; times' >"$W/times"
own=$(awk 'NR == 1 { split($1, user, "[ms]"); print user[1] * 60 + user[2] }' "$W/times")
measured() {
	dump >"$W/dump"
	jq -e --argjson own "$own" '
		[.domain.lines[] | select(.kind == "process" and .name == "spinner").seconds]
		| (add // 0) >= $own / 2' "$W/dump" >/dev/null
}
within 10 measured || fail "the line of a process that ran $own s"
expect_json "$W/dump" '.domain | .running_seconds as $r | .elapsed_seconds > 0
	and ([.lines[].seconds] | add) >= $r * 0.999999
	and ([.lines[] | select(.kind == "daemon" and .charged_seconds > 0)] | length) == 1
	and ([.lines[] | select(.kind == "unnamed")] | length) == 1'
# A thread's sleep is charged by the programs' clock: the kernel's begins when it is woken.
expect_json "$W/dump" '.domain.lines[] | select(.kind == "daemon")
	| .charged_seconds <= .seconds * 1.01'
"$XENMETER" dump --table "$TABLE" --domain >"$W/domain" || fail 'dump --domain'
tail -n 1 "$W/domain" | grep -qE '^(Xen|The kernel) counts [0-9.]+ s, named [0-9.]+ %$' || {
	cat "$W/domain"
	fail 'the last line of dump --domain'
}
grep -q '^Guests were charged' "$W/domain" || fail 'dump --domain does not say what was charged'
tail -n 1 "$W/domain"
# Killed, it starts again with them, once the guest is served.
load_bg "$W/on.out" "$one" --rw randrw --verify --time 300 --timeout 60
state "$one" back 4
daemon_kill
daemon_start --user nobody
[ "$(grep -c 'the domain.s CPU is measured' "$LOG")" = 2 ] || fail 'not measured again'
awk '/serving with/ { served = NR } /devices* go on/ { on = NR } /CPU is measured/ { measured = NR }
	END { exit !(served < on && on < measured) }' "$LOG" || fail 'guests wait for programs that measure'
end $BG
serve
# The books go on: what ran in the last life, and what was counted meanwhile.
before=$(jq '.domain.running_seconds' "$W/dump")
went_on() {
	dump >"$W/dump2"
	jq -e --argjson own "$own" --argjson before "$before" '.domain | . != null
		and .running_seconds >= $before
		and ([.lines[] | select(.kind == "process" and .name == "spinner").seconds]
			| (add // 0) >= $own / 2)
		and ([.lines[] | select(.kind == "gap")] | length) == 1
		and ([.lines[].seconds] | add) >= .running_seconds * 0.999999' "$W/dump2" >/dev/null
}
within 10 went_on || { jq .domain "$W/dump2"; fail 'the books do not go on in the next life'; }
finish
