#!/bin/sh
# SPDX-License-Identifier: MIT
# A flush reaches the disk, a barrier does so before and after its data, and a write
# alone does not (else this would prove nothing). Counted by the kernel: field 16 of the
# block device's stat file. Argument: `device`, or `file` for a file on such a device.
. "$(dirname "$0")/lib.sh"

img=$(disk a 64M)
l=$(losetup --direct-io=off --find --show "$img" 2>&1) || skip "no loop device: $l"
LOOPS=$l
stat=/sys/block/${l#/dev/}/stat
[ "$(wc -w <"$stat")" -ge 17 ] || skip 'this kernel does not count flushes'
flushes() { awk '{ print $16 }' "$stat"; }
target=$l
if [ "$1" = file ]; then
	mkfs.ext4 -q "$l"
	mkdir "$W/mnt"
	# No journal commits of their own while we count.
	mount -o noatime,commit=600 "$l" "$W/mnt" 2>/dev/null || skip 'cannot mount'
	trap 'code=$?; set +e; umount "$W/mnt" || umount -l "$W/mnt"; (exit $code); cleanup' EXIT
	target=$W/mnt/image
	dd if=/dev/zero of="$target" bs=1M count=8 conv=fsync 2>/dev/null
	sync -f "$W/mnt"
fi
host
d=$(guest one)
attach "$d" xvda "$target"
# flushed LEAST MOST BLKLOAD-ARGUMENT...
flushed() {
	least=$1; most=$2; shift 2
	before=$(flushes)
	load "$d" --size 4m "$@" >"$W/load.out" || { cat "$W/load.out"; fail "$*"; }
	n=$(($(flushes) - before))
	say "$n flushes: $*"
	[ $n -ge "$least" ] && [ $n -le "$most" ] || fail "not $least to $most"
}
flushed 0 2 --rw randwrite --number 200 --depth 4
flushed 50 53 --rw randwrite --number 100 --flush-every 2
flushed 20 22 --rw flush --number 20
flushed 40 43 --rw randwrite --number 40 --barrier-every 2
expect_row "$d" errors 0
[ "$1" != file ] || { "$SIMXL" block-detach "$d" xvda; umount "$W/mnt"; trap cleanup EXIT; }
finish
