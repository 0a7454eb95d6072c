#!/bin/sh
# SPDX-License-Identifier: MIT
# Events with nothing to be done are counted as what they are, and charged to their sender;
# after 64 in a row it is served once a second (XSA-332). Arguments: of net_flood.c.
. "$(dirname "$0")/net_lib.sh"

net_scene
began=$(date +%s)
offend net_flood "$@"
events=$(row 1 events); spurious=$(row 1 events_spurious)
say "$2 sent, $events taken, $spurious without work"
[ "$events" -gt 10 ] || fail 'not counted'
# A few belong to connecting, and to the one frame at the end.
[ "$events" -le $((74 + $(date +%s) - began)) ] || fail 'served too often'
[ "$spurious" -ge $((events - 10)) ] || fail 'not counted as spurious'
expect_row 1 tx_frames 1
expect_row 1 rings_broken 0
paid exact_parse
net_undisturbed
finish
