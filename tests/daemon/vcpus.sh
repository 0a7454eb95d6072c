#!/bin/sh
# SPDX-License-Identifier: MIT
# What a guest is to its host: its own vCPUs, as the hypervisor counts them, beside what it
# was charged. Where the hypervisor cannot be asked, there is nothing of it.
. "$(dirname "$0")/lib.sh"

host
one=$(guest one)
two=$(guest two)
attach "$one" xvda null:16M
attach "$two" xvda null:16M
load "$one" --rw read --number 200
load "$two" --rw read --number 100

dump >"$W/none"
expect_json "$W/none" '[.guests[].vcpu_seconds] == [null, null] and
	(.guests | map(.name) | sort) == ["one", "two"] and all(.guests[]; .cpu_seconds > 0)'
"$XENMETER" dump --table "$TABLE" >"$W/none.txt" 2>"$W/said"
! grep -q OWN "$W/none.txt" || fail 'a column without figures'
[ ! -s "$W/said" ] || fail "$(cat "$W/said")"

# The other guest is one that the hypervisor does not know any more.
asked() { LD_LIBRARY_PATH=$(dirname "$SIMXL")/stat:$LD_LIBRARY_PATH XENSIM_VCPU=$one "$XENMETER" "$@"; }
asked dump --json --table "$TABLE" >"$W/some"
expect_json "$W/some" '.guests | map({(.name): .vcpu_seconds}) | add == {one: 2.5, two: null}'
asked dump --table "$TABLE" >"$W/some.txt"
awk '$2 == "one" || $2 == "two" || /OWN-s/ { for (i = 1; i <= NF; i++) if ($i == "OWN-s") at = i
	print $2, $at }' "$W/some.txt" | LC_ALL=C sort >"$W/own" # not dearest first
printf '%s\n' 'NAME OWN-s' 'one 2.500' 'two -' | cmp - "$W/own" || { cat "$W/some.txt"; fail 'the column'; }
# A tenth of a second between two readings, of the time that lies between.
asked dump --watch 0.2 --table "$TABLE" >"$W/rates" & watch=$!
PIDS="$PIDS $watch"
# rates: those shown until now
rates() { awk '/OWN%/ { for (i = 1; i <= NF; i++) if ($i == "OWN%") at = i }
	$2 == "one" && at { print $at }' "$W/rates"; }
three() { [ "$(rates | wc -l)" -ge 3 ]; }
within 30 three || { cat "$W/rates"; fail 'no rates'; }
kill $watch
rates | awk '$1 > 0 && $1 <= 50.1 { next } { exit 1 }' || { cat "$W/rates"; fail 'the rate'; }
finish
