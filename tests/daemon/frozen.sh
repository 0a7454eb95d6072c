#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest dies while its device is drained, and its disk hangs (a frozen filesystem): its
# pages are unmapped although its requests cannot end, or the domain would be a zombie until
# the disk comes back. When it does, what was in flight is settled and the row retired.
. "$(dirname "$0")/lib.sh"

need fsfreeze util-linux
l=$(losetup --find --show "$(disk fs 64M)" 2>&1) || skip "no loop device: $l"
LOOPS=$l
mkfs.ext4 -q "$l"
mkdir "$W/mnt"
mount "$l" "$W/mnt" 2>/dev/null || skip 'cannot mount'
thaw() { fsfreeze -u "$W/mnt" 2>/dev/null || :; }
trap 'code=$?; set +e; thaw; [ -z "$DAEMON" ] || kill -KILL "$DAEMON"; wait
	umount "$W/mnt" || umount -l "$W/mnt"; (exit $code); cleanup' EXIT
truncate -s 16M "$W/mnt/image"

host
d=$(guest one)
attach "$d" xvda "$W/mnt/image"
load_bg "$W/out" "$d" --rw randwrite --depth 16 --time 60; p=$BG
state "$d" back 4
moving() { [ "$(row "$d" requests)" -gt 0 ]; }
within 20 moving || fail 'no requests'
fsfreeze -f "$W/mnt"
sleep 0.3
say 'Closing, then dead'
xenstore-write "$(front "$d")/state" 5
state "$d" back 5
"$SIMXL" kill "$d"
kill -KILL $p; wait $p 2>/dev/null || :
LEAKS_MEANT="domain $d,"
xenstore-rm "$(front "$d")" 2>/dev/null || :
unmapped() { "$SIMXL" list | awk -v d="$d" '$1 == d && $5 > 0 { bad = 1 } END { exit bad }'; }
within 5 unmapped || { "$SIMXL" list; fail 'its pages are still mapped'; }
say 'the disk is back'
thaw
retired() { [ "$(dump | jq "[.rows[] | select(.domid == $d and .queue != null and .state == \"retired\")] | length")" = 1 ]; }
within 10 retired || fail 'its row is not retired'
finish
