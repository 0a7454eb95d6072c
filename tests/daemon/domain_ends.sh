#!/bin/sh
# SPDX-License-Identifier: MIT
# Interrupts, softirqs and kernel threads in which a guest's block I/O ends are that
# guest's; those of the driver domain's own I/O are nobody's.
. "$(dirname "$0")/lib.sh"

DOMAIN=--domain=on
host
grep -q 'the domain.s CPU is measured' "$LOG" ||
	skip "$(grep -o 'the domain.s CPU is.*' "$LOG")"
grep -q 'but not whose block I/O ends' "$LOG" && {
	! grep -q 'BEGIN PROG LOAD LOG' "$TABLE.refusal" 2>/dev/null || {
		cat "$TABLE.refusal"
		fail 'the verifier refuses a program'
	}
	skip 'this kernel does not let a function be watched (fentry)'
}
dd if=/dev/zero of="$W/own" bs=64k count=64 oflag=direct 2>/dev/null ||
	skip 'the file system has no direct I/O'
one=$(guest one)
two=$(guest two)
# Without holes: I/O there is the helper's.
a=$(disk a 16M)
dd if=/dev/zero of="$a" bs=64k count=256 oflag=direct conv=notrunc 2>/dev/null
attach "$one" xvda "$a"
attach "$two" xvda null:16M
# block DOMID: what its rows have of ends of block I/O, cycles
block() {
	dump | jq --argjson d "$1" '[.rows[] | select(.domid == $d).counters.kernel_block] | add'
}
has_ends() { [ "$(block "$one")" -gt "${1:-0}" ]; }

load "$one" --rw randrw --verify --depth 4 --number 2000 --json >"$W/one.out"
load "$two" --rw randread --depth 4 --number 2000 --json >"$W/two.out"
if ! within 10 has_ends; then
	# Where direct I/O ends while it is started there is no end to be seen.
	dump | jq '.rows[] | select(.domid == 1).counters, .domain.lines'
	fail 'no end of its I/O is charged to it'
fi
[ "$(block "$two")" = 0 ] || fail 'a guest without I/O pays for its ends'
sleep 1.2 # a worker's tick
before=$(block "$one")
dd if="$W/own" of=/dev/null bs=4k iflag=direct 2>/dev/null
sleep 1.2
[ "$(block "$one")" = "$before" ] || fail "a guest pays for the driver domain's own I/O"
finish
