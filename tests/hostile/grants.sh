#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad grants at each place, another domain's, the same twice (XSA 361 and those after).
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
# References that only guest 3 has: it grants more than a thousand pages.
guest third >/dev/null
attach 3 xvda "$(disk c 16M)"
load_bg "$W/third.out" 3 --rw read --indirect 256 --bs 1m --depth 8 --time 300
state 3 back 4
granted() { [ "$("$SIMXL" list | awk '$1 == 3 { print $4 }')" -gt 1200 ]; }
within 30 granted || fail 'guest 3 does not grant enough'
for each in '' each; do
	offend grants 1100 $each
	read -r sent failing <"$W/offender"
	say "$sent requests, $failing with a bad grant"
	all=$((${all:-0} + sent)); bad=$((${bad:-0} + failing))
done
expect_row 1 requests "$all"
expect_row 1 errors "$bad"
paid exact_grant
undisturbed
kill -INT "$BG"; wait "$BG" || fail "$(cat "$W/third.out")"
finish
