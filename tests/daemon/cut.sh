#!/bin/sh
# SPDX-License-Identifier: MIT
# What a device takes at once (max_sectors_kb, max_segments) is not exceeded: a larger read or
# write that shall not wait is refused by the kernel, and would have to be done once more, by
# the helper. Of a device and of a file on it.
. "$(dirname "$0")/lib.sh"

need losetup mount
need mkfs.ext4 e2fsprogs
[ "$(id -u)" = 0 ] || skip 'needs root for a loop device'

image=$(disk image 64M)
dd if=/dev/urandom of="$image" bs=1M count=64 conv=notrunc status=none
loop=$(losetup --find --show --direct-io=on "$image" 2>"$W/losetup") || skip "no loop device: $(cat "$W/losetup")"
LOOPS=$loop
limit=/sys/block/${loop#/dev/}/queue/max_sectors_kb
echo 64 >"$limit" 2>/dev/null || skip 'max_sectors_kb cannot be set'

# helped: the helper's cycles for the disk's queue, without those of the store
helped() { dump | jq '[.rows[] | select(.queue != null) | .counters.offload_cycles] | add // 0'; }
# not_helped TARGET KIND OPTION...: once the helper is there, it has nothing to do
not_helped() {
	local target=$1 kind=$2 before cycles
	shift 2
	before=$(helped)
	attach "$one" xvda "$target" >/dev/null
	load_bg "$W/1.out" "$one" --bs 1M --indirect 256 --time 300 --json "$@"
	within 20 reached $kind 10 || fail 'nothing comes'
	within 20 has_begun "$before" || fail 'there is no helper'
	cycles=$(helped)
	within 30 reached $kind $(($(row "$one" $kind) + 30)) || fail 'nothing comes'
	[ "$(helped)" = "$cycles" ] || fail 'the helper had something to do'
	end "$BG"
	expect_json "$W/1.out" '.errors.error == 0 and (.verify.errors // 0) == 0'
	"$SIMXL" block-detach "$one" xvda >/dev/null
}
has_begun() { [ "$(helped)" -gt "$1" ]; }
reached() { [ "$(row "$one" "$1")" -ge "$2" ]; }

host
one=$(guest one)
say 'reads'
not_helped "$loop" read_requests --rw read --depth 1
say 'writes, too, and what was written comes back'
not_helped "$loop" write_requests --rw randrw --depth 4 --verify
say 'of a file on the device'
mkfs.ext4 -q "$loop"
mkdir "$W/mnt"
mount "$loop" "$W/mnt"
trap 'code=$?; set +e; umount -l "$W/mnt" 2>/dev/null; (exit $code); cleanup' EXIT
dd if=/dev/urandom of="$W/mnt/disk" bs=1M count=32 conv=fsync status=none
not_helped "$W/mnt/disk" read_requests --rw read --depth 1
umount -l "$W/mnt"
finish
