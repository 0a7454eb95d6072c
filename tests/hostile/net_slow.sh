#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that gives no room, or one slot a second: what waits is bounded, what is old is
# dropped after ten seconds, the kernel keeps a queue of the tap and drops the rest, all of
# it counted in the guest's row (XSA 392, 424).
. "$(dirname "$0")/net_lib.sh"

net_scene
starve 11
before=$(rss)
within 20 grep -q starved "$W/offender" || fail 'gone'
flat "$before" 2400 'eleven seconds of frames'
within 20 grep -q fed "$W/offender" || fail 'it is not served again'
ended $OFFENDER
kill $SENDER
full=$(row 1 rx_dropped_full); tap=$(row 1 rx_dropped_tap)
say "$(row 1 rx_frames) frames, $full of them too old; $tap dropped by the kernel"
[ "$full" -gt 20 ] || fail 'what was too old is not counted'
[ "$tap" -gt 1000 ] || fail 'what the kernel dropped is not counted'
paid rx_parse_cycles
net_undisturbed
finish
