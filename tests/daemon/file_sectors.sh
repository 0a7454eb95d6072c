#!/bin/sh
# SPDX-License-Identifier: MIT
# A file is a disk of 512-byte sectors, whatever it lies on. Once an image on a disk of
# 4096-byte sectors became such a disk, whose partition table was not where its guest
# looked for it, and an ISO there was refused. Where direct I/O needs more than 512 bytes
# the helper changes parts of units; if the file ends in one, it is served through the page
# cache, and the log says so once.
. "$(dirname "$0")/lib.sh"

need mkfs.ext4 e2fsprogs
l=$(losetup --sector-size 4096 --find --show "$(disk fs 64M)" 2>&1) ||
	skip "no loop device with 4096-byte sectors: $l"
LOOPS=$l
[ "$(blockdev --getss "$l")" = 4096 ] || skip 'the loop device has other sectors'
mkfs.ext4 -q "$l"
mkdir "$W/mnt"
mount "$l" "$W/mnt" 2>/dev/null || skip 'cannot mount'
trap 'code=$?; set +e; umount "$W/mnt" || umount -l "$W/mnt"; (exit $code); cleanup' EXIT

head -c 1234944 /dev/urandom >"$W/mnt/iso" # 603 * 2048 bytes, no multiple of 4096
dd if="$W/mnt/iso" of=/dev/null bs=512 count=1 iflag=direct 2>/dev/null &&
	skip 'direct I/O of 512 bytes works there'
cached() { grep -c "mnt/$1: its size is no multiple of the 4096 bytes .* using the page cache" "$LOG" || :; }
need fincore util-linux-extra

host --user root # whose sandbox has to let it through
d=$(guest one)
truncate -s 8M "$W/mnt/image"
attach "$d" xvda "$W/mnt/image"
# Of 512 bytes, and of 4096 that may begin in the middle of a unit; in few of these at once.
for size in 512 4k; do
	load "$d" --rw randrw --bs $size --size 64k --verify --number 400 --depth 16 --flush-every 50 \
		--json >"$W/load.out"
	expect_json "$W/load.out" '.negotiated | .sectors == 16384 and .sector_size == 512'
	expect_json "$W/load.out" '.errors.error == 0 and .verify.errors == 0'
done
[ "$(cached image)" = 0 ] || fail 'the page cache is used'
[ "$(fincore --noheadings --output PAGES "$W/mnt/image" | tr -d ' ')" = 0 ] || fail 'pages are cached'
expect_row "$d" refused 0
expect_key "$(back "$d")/physical-sector-size" 4096

say 'an ISO'
attach "$d" xvdb "$W/mnt/iso" --mode r --type cdrom
load "$d" --devid xvdb --rw read --bs 2k >"$W/iso.out"
expect_key "$(back "$d" 51728)/sectors" 2412
[ "$(cached iso)" = 1 ] || fail "said $(cached iso) times"
expect_key "$(back "$d" 51728)/sector-size" 512
expect_no_key "$(back "$d" 51728)/physical-sector-size" # the page cache has no such unit

say 'a file on a disk of 512-byte sectors is read directly'
attach "$d" xvdc "$(disk plain 1M)"
load "$d" --devid xvdc --rw read --bs 512 --number 10
! grep -q "/plain:.*page cache" "$LOG" || fail 'not directly'
"$SIMXL" destroy "$d"
within 10 umount "$W/mnt" || fail "the disk is still open"
trap cleanup EXIT
finish
