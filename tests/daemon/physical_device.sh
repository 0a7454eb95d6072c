#!/bin/sh
# SPDX-License-Identifier: MIT
# Scripts of older toolstacks write only physical-device, the block device's number in
# hexadecimal, and no physical-device-path. It is enough for xen-blkback, and for us.
# The kernel's name of it is in a line of its uevent, and so may its own text be.
if [ -z "${ALONE:-}" ] && [ "$(id -u)" = 0 ]; then
	ALONE=1 exec unshare --mount "$0"
fi
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip 'needs root for a loop device'
need losetup mount
loop=$(losetup --find --show "$(disk a 16M)" 2>/dev/null) || skip 'no loop devices here'
LOOPS=$loop
host
d=$(guest one)
attach "$d" xvda none --no-script
b=$(back "$d")
# said WHAT: that it waits for this is in the log
said() { grep -q "waits for $1" "$LOG"; }
within 10 said 'its hotplug script to write physical-device' || fail 'it does not wait'

say 'a number that is none, or nobody has'
xenstore-write "$b/physical-device" 7
within 10 said 'a physical-device that is MAJOR:MINOR' || fail 'it does not wait'
xenstore-write "$b/physical-device" 7:fffff
within 10 said 'the block device 7:1048575 to appear' || fail 'it does not wait'

say 'the number'
xenstore-write "$b/physical-device" "$(stat -c %t:%T "$loop")"
load "$d" --rw randrw --verify --number 200
expect_key "$b/sectors" 32768

say 'another text that the device has of its own before the name of its node'
"$SIMXL" block-detach "$d" xvda
sys=$(readlink -f "/sys/dev/block/$(stat -c '0x%t 0x%T' "$loop" | xargs printf '%d:%d')")
{ echo PARTNAME=DEVNAME=null; cat "$sys/uevent"; } >"$W/uevent"
mount --bind "$W/uevent" "$sys/uevent"
attach "$d" xvda none --no-script
xenstore-write "$b/physical-device" "$(stat -c %t:%T "$loop")"
load "$d" --rw randread --number 20

say 'its path counts more, where there is one'
xenstore-write "$(front "$d")/state" 1
state "$d" back 2
xenstore-write "$b/physical-device-path" "$(disk b 32M)"
load "$d" --rw randrw --verify --number 200
expect_key "$b/sectors" 65536
"$SIMXL" block-detach "$d" xvda
finish
