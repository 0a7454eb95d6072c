#!/bin/sh
# SPDX-License-Identifier: MIT
# The hotplug script on an image in a format, among the scripts of Xen: it starts the storage
# daemon, says where the file and the QMP socket are, tells in one line why it cannot, ends
# the storage daemon with the device, and one whose device has gone without it.
. "$(dirname "$0")/lib.sh"

need qemu-storage-daemon qemu-system-common
need qemu-img qemu-utils
[ -c /dev/fuse ] || skip 'needs /dev/fuse'
unshare --mount --ipc --net true 2>/dev/null || skip 'may not make namespaces'
scripts=${XEN_SCRIPTS:-/etc/xen/scripts}
[ -e "$scripts/block-common.sh" ] || skip 'needs the scripts of Xen (package xen-utils-common)'
chmod 755 "$W"
export XENMETER_DISKS="$W/disks"
trap 'code=$?; set +e; ends; (exit $code); cleanup' EXIT
ends() {
	for id in "$XENMETER_DISKS"/*-*; do
		[ ! -d "$id" ] || "$STORAGE_DAEMON" stop "${id##*/}"
	done
}
cp -r "$scripts" "$W/scripts"
cp "$BLOCK_SCRIPT" "$W/scripts/block-xenmeter"
# Their own settings name directories that are first in PATH.
printf 'sbindir="%s"\nbindir=/usr/bin\nXEN_LOCK_DIR="%s"\nXENSTORE_XENSTORED_ROOTDIR="%s"\n' \
	"$(dirname "$STORAGE_DAEMON")" "$W/lock" "$W/xen" >"$W/scripts/hotplugpath.sh"
mkdir "$W/lock"

# script add|remove DOMID: what libxl does
script() {
	(cd / && XENBUS_PATH=backend/vbd/$2/51712 XENBUS_TYPE=vbd XENBUS_BASE_PATH=backend \
		PATH="$(dirname "$STORAGE_DAEMON"):$PATH" \
		bash "$W/scripts/block-xenmeter" "$1" >>"$W/script.out" 2>&1)
}
served() { [ -e "$XENMETER_DISKS/$1-51712/disk" ]; }

host
d=$(guest one)
qemu-img create -q -f qcow2 "$W/image" 16M

say 'added'
attach "$d" xvda "qcow2:$W/image" --no-script
state "$d" back 2 # else the script says that the device is gone
xenstore-write "$(back "$d")/script" block-xenmeter "$(back "$d")/params" "qcow2:$W/image"
script add "$d" || { cat "$W/script.out"; fail 'the script'; }
script add "$d" || fail 'called twice'
expect_key "$(back "$d")/physical-device-path" "$W/disks/$d-51712/disk"
[ -S "$(key "$(back "$d")/xenmeter-qmp")" ] || fail 'no QMP socket'
load "$d" --rw randrw --verify --number 200 --json >"$W/load.out"
expect_json "$W/load.out" '.verify.errors == 0 and .errors.error == 0'
pid=$(cat "$XENMETER_DISKS/$d-51712/pid")

say 'what it cannot serve'
e=$(guest two)
attach "$e" xvda "qcow2:$W/image" --no-script
state "$e" back 2
for target in "qcow2:$W/image" "vhd:$W/none" rbd:x; do
	xenstore-rm "$(back "$e")/hotplug-error" 2>/dev/null || :
	xenstore-write "$(back "$e")/script" block-xenmeter "$(back "$e")/params" "$target"
	if script add "$e"; then fail "$target is served"; fi
	key "$(back "$e")/hotplug-error" | grep -Eq "^[^ ]*$target: (.*in use by another|.*does not exist|write rbd:POOL/IMAGE)" ||
		fail "$target: hotplug-error is '$(key "$(back "$e")/hotplug-error")'"
	! served "$e" || fail 'something is left'
done

say 'one whose server does not answer keeps nobody else waiting'
python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(60)' "$W/mute" & mute=$!
within 10 [ -S "$W/mute" ] || fail 'no server'
chmod 777 "$W/mute"
xenstore-write "$(back "$e")/params" "nbd:nbd+unix:///?socket=$W/mute"
script add "$e" & slow=$!
within 10 [ -e "$XENMETER_DISKS/$e-51712/pid" ] || fail 'it does not begin'
n=$(guest three)
attach "$n" xvda "qcow2:$W/third" --no-script
state "$n" back 2
qemu-img create -q -f qcow2 "$W/third" 16M
xenstore-write "$(back "$n")/script" block-xenmeter "$(back "$n")/params" "qcow2:$W/third"
script add "$n" || { cat "$W/script.out"; fail 'the script'; }
kill -0 "$slow" || fail 'it has waited'
kill "$mute"
if wait "$slow"; then fail 'it is served'; fi
script remove "$n" || fail 'remove'
"$SIMXL" destroy "$n"

say 'removed, or gone without the script'
"$SIMXL" destroy "$d"
qemu-img create -q -f qcow2 "$W/other" 16M
xenstore-write "$(back "$e")/params" "qcow2:$W/other"
script add "$e" || { cat "$W/script.out"; fail 'the script'; }
within 10 gone "$pid" || fail 'the one of a device that has gone is left'
! served "$d" || fail 'its directory is left'
script remove "$e" || fail 'remove'
[ -z "$(ls -A "$XENMETER_DISKS")" ] || fail "left: $(ls "$XENMETER_DISKS")"
"$SIMXL" destroy "$e"
finish
