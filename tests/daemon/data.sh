#!/bin/sh
# SPDX-License-Identifier: MIT
# Data that a guest writes is what it reads: verified within a run with reads and writes
# mixed, and again by a run of other settings. Arguments: workers, then blkload's.
. "$(dirname "$0")/lib.sh"

workers=$1; shift
host --workers "$workers"
d=$(guest one)
attach "$d" xvda "$(disk a 32M)"
load "$d" "$@" --rw write --size 4m --verify-state "$W/gen" --json >"$W/fill.out"
load "$d" --number 2000 "$@" --rw randrw --size 4m --verify-state "$W/gen" --json >"$W/mix.out"
# The plainest frontend: what is on the disk, whatever the other one believed.
bs=4k; take=
for a; do
	[ -z "$take" ] || bs=$a
	take=; [ "$a" != --bs ] || take=1
done
load "$d" --bs "$bs" --rw read --size 4m --verify-state "$W/gen" --json >"$W/read.out"
for f in fill mix read; do
	expect_json "$W/$f.out" '.verify.errors == 0 and .protocol_violations == 0 and
		.failed_operations == 0 and .errors.error == 0 and .errors.eopnotsupp == 0'
done
case "$*" in
*discard*) unknown=1000 ;; # may read as anything
*) unknown=0 ;;
esac
expect_json "$W/read.out" ".verify.unknown <= $unknown and .verify.good > 0"
expect_row "$d" errors 0
get "$W/mix.out" '"\(.iops | floor) IOPS, queues \(.negotiated.queues), ring order \(
	.negotiated.ring_order), segments \(.negotiated.max_segments)"'
finish
