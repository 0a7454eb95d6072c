#!/bin/sh
# SPDX-License-Identifier: MIT
# What was discarded reads as zeros, and the file has holes there.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
img=$(disk a 16M)
attach "$d" xvda "$img"
truncate -s 16M "$W/hole"; echo x >>"$W/probe"
fallocate -l 1M "$W/probe" 2>/dev/null && fallocate -p -l 64k "$W/probe" 2>/dev/null ||
	skip "no holes on the filesystem of $W"
load "$d" --rw write --verify --bs 64k
full=$(stat -c %b "$img")
load "$d" --rw discard --bs 1m --offset 4m --size 8m --json >"$W/discard.out"
expect_json "$W/discard.out" '.errors.error == 0 and .ring_requests.discard == 8'
expect_row "$d" discard_requests 8
expect_row "$d" discard_bytes $((8 * 1024 * 1024))
cmp -n $((8 << 20)) -i $((4 << 20)) "$img" /dev/zero
cmp -s -n $((4 << 20)) "$img" /dev/zero && fail 'what was not discarded is gone'
[ "$(stat -c %b "$img")" -lt $((full - 12000)) ] || fail 'no hole'
say 'as the guest reads it'
need nbdcopy libnbd-bin
plugin "$d" devid=51712 "nbdcopy \"\$uri\" '$W/out'" || fail nbdcopy
cmp "$img" "$W/out"
state "$d" front 6
finish
