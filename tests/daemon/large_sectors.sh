#!/bin/sh
# SPDX-License-Identifier: MIT
# With 4096-byte sectors all sector fields stay in units of 512, and a request that is not
# made of whole sectors is refused: of a disk that has such sectors, and of one for which
# the operator wants them.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
say 'a file, for whose sectors there is a key'
printf x >>"$(disk c 16M)" # less than a sector, which is not served
attach "$d" xvdc "$W/c" --set logical-sector-size=4096
load "$d" --devid xvdc --rw randrw --verify --number 200 --json >"$W/load.out"
expect_json "$W/load.out" '.negotiated | .sectors == 32768 and .sector_size == 4096'
load "$d" --devid xvdc --force --rw write --bs 512 --number 3 >"$W/half.out" && fail 'accepted'
expect_row "$d" refused 3
attach "$d" xvdd "$W/c" --mode r --set logical-sector-size=3000
expect_error "$d" 'logical-sector-size is not known' 51760
for v in xvdc xvdd; do "$SIMXL" block-detach "$d" $v; done

say 'a device that has them'
img=$(disk a 16M)
l=$(losetup --sector-size 4096 --find --show "$img" 2>&1) ||
	skip "no loop device with 4096-byte sectors: $l"
LOOPS=$l
[ "$(blockdev --getss "$l")" = 4096 ] || skip 'the loop device has other sectors'
attach "$d" xvda "$l"
before=$(row "$d" refused)
load "$d" --rw randrw --verify --number 500 --depth 4 --json >"$W/load.out"
expect_json "$W/load.out" '.negotiated | .sectors == 32768 and .sector_size == 4096'
expect_row "$d" refused "$before"
expect_key "$(back "$d")/physical-sector-size" 4096

say 'the last 4096 bytes'
load "$d" --rw write --verify --offset $((16 * 1024 * 1024 - 4096)) --size 4k --number 1
cmp -n 4096 -i $((16 * 1024 * 1024 - 4096)) "$l" "$img"

say 'half sectors'
load "$d" --force --rw write --bs 512 --number 3 --json >"$W/half.out" && fail 'accepted'
load "$d" --force --rw read --bs 4k --offset 512 --size 8k --number 3 >"$W/half.out" &&
	fail 'accepted'
expect_row "$d" refused $((before + 6))
finish
