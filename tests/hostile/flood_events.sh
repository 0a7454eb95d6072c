#!/bin/sh
# SPDX-License-Identifier: MIT
# Events with no request on the ring are counted as what they are, and charged to their
# sender, who is the one that keeps the worker busy (XSA-332). After 64 in a row it is
# served once a second, until it has a request again.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
began=$(date +%s)
offend flood events 1000000
events=$(row 1 events); spurious=$(row 1 events_spurious)
say "1000000 sent, $events taken, $spurious without work"
[ "$events" -gt 10 ] || fail 'not counted'
[ "$events" -le $((66 + $(date +%s) - began)) ] || fail 'served too often'
[ "$spurious" -ge $((events - 3)) ] || fail 'not counted as spurious'
expect_row 1 requests 0
dump >"$W/dump"
get "$W/dump" '.rows[] | select(.domid == 1) | .counters | "charged: \(.exact_parse) exact, \(
	.apportioned_parse) apportioned cycles"'
paid exact_parse
undisturbed
finish
