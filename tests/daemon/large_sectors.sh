#!/bin/sh
# SPDX-License-Identifier: MIT
# With 4096-byte sectors all sector fields stay in units of 512, and a request
# that is not made of whole sectors is refused.
. "$(dirname "$0")/lib.sh"

img=$(disk a 16M)
l=$(losetup --sector-size 4096 --find --show "$img" 2>&1) ||
	skip "no loop device with 4096-byte sectors: $l"
LOOPS=$l
[ "$(blockdev --getss "$l")" = 4096 ] || skip 'the loop device has other sectors'
host
d=$(guest one)
attach "$d" xvda "$l"
load "$d" --rw randrw --verify --number 500 --depth 4 --json >"$W/load.out"
expect_json "$W/load.out" '.negotiated | .sectors == 32768 and .sector_size == 4096'
expect_row "$d" refused 0

say 'the last 4096 bytes'
load "$d" --rw write --verify --offset $((16 * 1024 * 1024 - 4096)) --size 4k --number 1
cmp -n 4096 -i $((16 * 1024 * 1024 - 4096)) "$l" "$img"

say 'half sectors'
load "$d" --force --rw write --bs 512 --number 3 --json >"$W/half.out" && fail 'accepted'
load "$d" --force --rw read --bs 4k --offset 512 --size 8k --number 3 >"$W/half.out" &&
	fail 'accepted'
expect_row "$d" refused 6
expect_row "$d" errors 6
finish
