#!/bin/sh
# SPDX-License-Identifier: MIT
# Segments that were interrupted, or stolen from where the kernel tells it: with programs
# in the kernel, a worker's books say what was taken out of charges. Over a window under
# load they balance to the cycle, each interrupt that was taken out is in a line of the
# domain's, and what ran agrees with the CPU clock within 1 %. The last is tried three
# times, and then only reported.
. "$(dirname "$0")/../daemon/lib.sh"

[ "${SANITIZE:-none}" = none ] || skip 'times of a sanitized build mean nothing'
[ "$(id -u)" = 0 ] || skip 'only root may load programs into the kernel'
DOMAIN=--domain=on
host
grep -q 'the domain.s CPU is measured' "$LOG" || skip "$(grep -o 'the domain.s CPU is.*' "$LOG")"
one=$(guest one)
attach "$one" xvda null:1G
load_bg "$W/out" "$one" --rw randread --depth 8 --time 60; bg=$BG
state "$one" back 4

# books: charges, CPU clock, and what was repaired, in ns. A kernel that leaves interrupts
# or steal out of the CPU clock has them in neither.
books() { dump | jq -c '.table as $t | .workers[0] as $w | $w.counters as $n |
	def ns: . / $t.clock_khz * 1e6;
	if ($n | .charged + .open + .idle + .overhead + .unattributed == .elapsed) and
		($n | .not_running + .lost + .repaired_stolen + .repaired_interrupt <= .unattributed) and
		$n.audits_failed == 0
	then $n | {
		ran: (.elapsed - .idle - .not_running - .stolen
			- (if $t.irq_time_accounted == true then .repaired_interrupt else 0 end)
			- (if $t.steal_time_accounted == true then .repaired_stolen else 0 end) | ns),
		cpu: .cpu_ns, interrupt: (.repaired_interrupt | ns), stolen: (.repaired_stolen | ns)
	} else "unbalanced" end'; }
interrupts() { dump | jq '[.domain.lines[] | select(.kind == "interrupt").seconds] | add * 1e9'; }

try=0
while :; do
	try=$((try + 1))
	before=$(books)
	sleep 1
	now=$(books)
	[ "$before" != '"unbalanced"' ] && [ "$now" != '"unbalanced"' ] || fail 'the books do not balance'
	jq -ne --argjson a "$before" --argjson b "$now" '$b.interrupt > $a.interrupt' >/dev/null ||
		fail "no interrupt in a second was repaired: $before, $now"
	off=$(jq -n --argjson a "$before" --argjson b "$now" \
		'(($b.ran - $a.ran) / ($b.cpu - $a.cpu) - 1) * 100')
	say "$off % off; of a second, ms: $(jq -nc --argjson a "$before" --argjson b "$now" \
		'[$b.interrupt - $a.interrupt, $b.stolen - $a.stolen] | map(. / 1e6)') of interrupts, stolen"
	! jq -ne "$off | fabs < 1" >/dev/null || break
	[ $try -lt 3 ] || break
done
# Those of the worker's segments are among all that there were; books come once a second.
sleep 1.1
jq -ne --argjson b "$now" --argjson all "$(interrupts)" '$b.interrupt <= $all' >/dev/null ||
	fail "more was repaired than interrupts ran: $now, $(interrupts)"
end "$bg"
finish
jq -ne "$off | fabs < 1" >/dev/null || skip "the two clocks differ by $off %"
