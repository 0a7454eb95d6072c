#!/bin/sh
# SPDX-License-Identifier: MIT
# Where a guest's cycles stand: a guest that only reads pays in each stage, nothing of it
# in another's row; a guest that is connected and idle pays next to nothing.
. "$(dirname "$0")/../daemon/lib.sh"

host
guest busy >/dev/null; guest still >/dev/null
# A null disk is not asked for its size each second, which its own guest pays for.
attach 1 xvda "$(disk a 16M)"; attach 2 xvda null:16M
load_bg "$W/still.out" 2 --hold 30
state 2 back 4
sleep 0.1
s0=$(dump | jq '[.rows[] | select(.domid == 2) | .counters | to_entries[] |
	select(.key | startswith("exact_") or startswith("apportioned_")) | .value] | add')
load 1 --rw randread --number 5000 --depth 4
for s in parse grant submit complete respond; do
	[ "$(row 1 exact_$s)" -gt 0 ] || fail "nothing in exact_$s"
done
sum=0
for s in parse grant submit complete respond; do
	sum=$((sum + $(row 1 exact_$s) + $(row 1 apportioned_$s)))
done
s1=$(dump | jq '[.rows[] | select(.domid == 2) | .counters | to_entries[] |
	select(.key | startswith("exact_") or startswith("apportioned_")) | .value] | add')
say "busy: $sum cycles; idle: $((s1 - s0)) meanwhile"
[ $((s1 - s0)) -lt $((sum / 100)) ] || fail 'the idle guest pays for the busy one'
end "$BG"
finish
