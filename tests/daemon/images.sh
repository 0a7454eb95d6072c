#!/bin/sh
# SPDX-License-Identifier: MIT
# Images go in and out as they are: nbdcopy of a filesystem and back, e2fsck on the
# daemon's side, qemu-img's opinion.
. "$(dirname "$0")/lib.sh"

need nbdcopy libnbd-bin
need mkfs.ext4 e2fsprogs
need qemu-img qemu-utils
host
d=$(guest one)
disk src 24M >/dev/null
mkdir "$W/tree"; cp "$0" "$XENMETERD" "$W/tree"
mkfs.ext4 -q -F -d "$W/tree" "$W/src"
attach "$d" xvda "$(disk a 24M)"
run() { plugin "$d" 'devid=51712 indirect=32' "$1" >"$W/run.out" 2>&1 || {
	cat "$W/run.out"; fail "$1"; }
	! grep -i violation "$W/run.out" || fail 'the frontend complains'
	state "$d" front 6; }

say 'in'
run "nbdcopy --flush '$W/src' \"\$uri\""
cmp "$W/src" "$W/a"
e2fsck -fn "$W/a" >/dev/null 2>&1 || fail 'e2fsck'
say 'compared'
run "qemu-img compare -f raw -F raw '$W/src' \"\$uri\""
say 'out'
run "nbdcopy \"\$uri\" '$W/copy'"
cmp "$W/src" "$W/copy"
say 'converted'
run "qemu-img convert -f raw -O qcow2 \"\$uri\" '$W/q'"
qemu-img compare -f raw -F qcow2 "$W/src" "$W/q" >/dev/null
run "qemu-img convert -n -f qcow2 -O raw '$W/q' \"\$uri\""
cmp "$W/src" "$W/a"
finish
