#!/bin/sh
# SPDX-License-Identifier: MIT
# A block device gets discards as such, and is asked itself whether it has them. Once a
# hole was made instead, which is to write zeroes that unmap: most devices that discard
# cannot do that, and had no discard to offer. The kernel counts them (field 12 of the
# device's stat file).
. "$(dirname "$0")/lib.sh"

img=$(disk a 16M)
l=$(losetup --find --show "$img" 2>&1) || skip "no loop device: $l"
LOOPS=$l
sys=/sys/block/${l#/dev/}
[ "$(cat "$sys/queue/discard_max_bytes")" != 0 ] || skip 'the loop device does not discard'
discards() { awk '{ print $12 }' "$sys/stat"; }

host --user root # whose sandbox has to let it through
d=$(guest one)
b=$(back "$d")
attach "$d" xvda "$l"
load "$d" --rw write --verify --bs 64k
full=$(stat -c %b "$img")
before=$(discards)
load "$d" --rw discard --bs 1m --offset 4m --size 8m --json >"$W/discard.out"
expect_json "$W/discard.out" '.errors.error == 0 and .ring_requests.discard == 8'
expect_row "$d" discard_bytes $((8 * 1024 * 1024))
[ "$(stat -c %b "$img")" -lt $((full - 12000)) ] || fail 'nothing was discarded'
expect_key "$b/discard-granularity" "$(cat "$sys/queue/discard_granularity")"
[ $(($(discards) - before)) = 8 ] ||
	fail "$(($(discards) - before)) discards reached the device, not 8"
finish
