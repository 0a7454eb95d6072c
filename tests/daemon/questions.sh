#!/bin/sh
# SPDX-License-Identifier: MIT
# What the people on call ask, of a host with 50 guests of which one writes and flushes
# in turn: each question is answered by one command, and the answer is what is known by
# construction, also after a kill and a rename.
. "$(dirname "$0")/lib.sh"

GUESTS=50
READS=20
WRITES=200
ask() { "$XENMETER" "$@"; }
recorded() { ask record --once --directory "$W/records" --table "$TABLE" || fail 'record'; }

recorded # from before there is a table: all of it is recorded
host --workers 2
noisy=$(guest noisy)
attach "$noisy" xvda "$(disk noisy 16M)"
i=1
while [ $i -lt $GUESTS ]; do
	d=$(guest "guest-$i")
	attach "$d" xvda null:16M
	load "$d" --rw read --number $READS --bs 4k >/dev/null
	i=$((i + 1))
done
load "$noisy" --rw write --number $WRITES --bs 4k --flush-every 2 >/dev/null
recorded

say 'the daemon is killed, the guest renamed'
daemon_kill
daemon_start --workers 2
xenstore-write "/local/domain/$noisy/name" loud "$(key "/local/domain/$noisy/vm")/name" loud
load_bg "$W/loud.out" "$noisy" --rw write --bs 4k --flush-every 2 --rate 500 --time 120; loud=$BG

say 'which guest loads this domain now?'
loads() { ask top --json --iterations 1 --delay 1 --table "$TABLE" >"$W/top" && json "$W/top" "$1"; }
within 60 loads '.guests[0] | .name == "loud" and .cpu_percent > 0 and .requests_per_second > 0' ||
	{ cat "$W/top"; fail 'another one'; }

say 'is the backend the bottleneck?'
expect_json "$W/top" '[.workers[] | select(.kind == "worker") | .busy_percent] | length == 2 and all(. >= 0 and . <= 100)'

say 'wake me when a guest takes too much'
woken() { ask check --format nagios --warning 0.001 --table "$TABLE" >"$W/nagios"; [ $? = 1 ]; }
within 60 woken || { cat "$W/nagios"; fail 'not woken'; }
grep -q '^XENMETER WARNING - loud takes [0-9.]* % of this domain, ' "$W/nagios" ||
	{ cat "$W/nagios"; fail 'for another one'; }

say 'with what kind of I/O, and why is it so dear?'
ask top --json --guest loud --iterations 1 --delay 1 --table "$TABLE" >"$W/kinds"
expect_json "$W/kinds" '(.guests | map(.name)) == ["loud"] and
	([.kinds[] | select(.requests > 0)] |
		map(.kind) == ["write", "flush"] and all(.us_by_stage.submit > 0) and
		all(.seen + .disturbed | . > 0)) and
	(.kinds[] | select(.kind == "flush").offload_percent) > 0'
end "$loud"
ask dump --json --all --guest loud --table "$TABLE" >"$W/loud"
expect_json "$W/loud" "[.rows[].counters] | (map(.write_requests) | add) as \$writes
	| (map(.flush_requests) | add) as \$flushes | \$writes > $((WRITES / 2))
	and \$flushes > $((WRITES / 2)) and (map(.read_requests) | add) == 0
	and (map(.offload_flush) | add) > 0"
ask dump --json --all --table "$TABLE" >"$W/all"
expect_json "$W/all" "[.rows[] | select(.name | startswith(\"guest-\")).counters.read_requests] | add == $(((GUESTS - 1) * READS))"
daemon_stop

say 'what did each cost? bill it'
recorded
dump >"$W/sums"
ask bill --directory "$W/records" --format jsonl --price 0.05 >"$W/bill"
jq -s . "$W/bill" >"$W/bills"
# same BILL TABLE: two sums in seconds, of which one is rounded to microseconds a guest
same() { echo "$1 $2" | awk '{ d = $1 - $2; exit !(d < 0.001 && d > -0.001) }' || fail "billed $1 s, not $2 s"; }
table_sum() { jq "[.rows[] | select($1).cpu_seconds.total] | add" "$W/sums"; }
same "$(jq '[.[] | select(.key | startswith("(") | not).cpu_seconds] | add' "$W/bills")" "$(table_sum true)"
uuid=$(jq -r '[.rows[] | select(.name == "loud").uuid] | unique | join(" ")' "$W/sums")
same "$(ask bill --directory "$W/records" --guest "$uuid" --format jsonl | jq -s 'map(.cpu_seconds) | add')" \
	"$(table_sum ".uuid == \"$uuid\"")"
expect_json "$W/bills" "[.[] | select(.key | startswith(\"(\") | not)] | length == $GUESTS"
finish
