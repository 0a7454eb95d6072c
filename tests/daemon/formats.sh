#!/bin/sh
# SPDX-License-Identifier: MIT
# Images in formats and far storage, which a storage daemon for each disk shows as a file: a
# chain of qcow2, a VHD, a VMDK, an export over NBD. Data are compared with what other programs read
# from the image afterwards. The daemon may be killed meanwhile. What cannot be served is
# refused in one line that says what to do; no process, mount or directory is left.
. "$(dirname "$0")/lib.sh"

need qemu-storage-daemon qemu-system-common
need qemu-img qemu-utils
need nbdkit nbdkit
[ -c /dev/fuse ] || skip 'needs /dev/fuse'
unshare --mount --ipc --net true 2>/dev/null || skip 'may not make namespaces'
chmod 755 "$W"
export XENMETER_DISKS="$W/disks"
NBD=
trap 'code=$?; set +e; ends; (exit $code); cleanup' EXIT

ends() {
	for id in "$XENMETER_DISKS"/*-*; do
		[ ! -d "$id" ] || "$STORAGE_DAEMON" stop "${id##*/}"
	done
	[ -z "$NBD" ] || kill -KILL "$NBD"
}

# served DOMID DEVID TARGET [MODE]: its file
served() {
	"$STORAGE_DAEMON" start "$1-$2" "$3" "${4:-w}" || fail "start $*"
	echo "$XENMETER_DISKS/$1-$2/disk"
}
pid_of() { cat "$XENMETER_DISKS/$1/pid"; }

# qmp ID COMMAND
qmp() {
	timeout 10 python3 - "$XENMETER_DISKS/$1/socket/qmp" "$2" >"$W/qmp.out" <<-'END' || fail 'QMP'
		import socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.connect(sys.argv[1])
		f = s.makefile('rw')
		f.readline()
		for command in '{"execute":"qmp_capabilities"}', sys.argv[2]:
		    f.write(command)
		    f.flush()
		    answer = f.readline()
		    print(answer)
		    assert '"error"' not in answer, answer
	END
}

# verified DOMID [OPTION...]
verified() {
	local d=$1; shift
	load "$d" --rw randrw --verify --depth 8 --number 500 --flush-every 20 --json "$@" >"$W/load.out"
	expect_json "$W/load.out" '.verify.errors == 0 and .errors.error == 0'
}

host --user root # whose sandbox has to let it through
d=$(guest one)
qemu-img create -q -f qcow2 "$W/base" 16M
qemu-io -f qcow2 -c 'write -q -P 0x5a 8M 1M' "$W/base"
qemu-img create -q -f qcow2 -b base -F qcow2 "$W/middle"
qemu-img create -q -f qcow2 -b "$W/middle" -F qcow2 "$W/top"
md5sum "$W/base" "$W/middle" >"$W/sums"

say 'a chain of qcow2'
attach "$d" xvda "$(served "$d" 51712 "qcow2:$W/top")"
verified "$d" --size 4M --discard-every 17
expect_key "$(back "$d")/sectors" 32768
expect_key "$(back "$d")/sector-size" 512
pid=$(pid_of "$d-51712")
[ "$(sed -n 's/^CapPrm:\t*0*//p' "/proc/$pid/status")" = 2 ] || fail 'it has not CAP_DAC_OVERRIDE alone'
[ "$(sed -n 's/^Uid:\t*\([0-9]*\).*/\1/p' "/proc/$pid/status")" -gt 1000000000 ] || fail "its user is somebody's"
[ "$(sort -u /proc/"$pid"/task/*/comm)" = "storage-$d" ] ||
	fail "its threads are called $(sort -u /proc/"$pid"/task/*/comm), not as the guest's helper"
[ ! -e "/proc/$pid/root/etc" ] || fail 'it sees more than its files'

say 'all that the storage daemon has run is charged to the guest'
# charged ID: how much of it, ns
charged() { od -An -tu8 "$XENMETER_DISKS/$1/charged" | tr -d ' '; }
khz=$(dump | jq .table.clock_khz)
# offloaded DOMID COUNTER: ns
offloaded() { echo $(($(row "$1" "$2") * 1000000 / khz)); }
[ "$(charged "$d-51712")" -gt 1000000 ] || fail "of its CPU, $(charged "$d-51712") ns are charged"
[ "$(offloaded "$d" offload_exact)" -gt "$(charged "$d-51712")" ] ||
	fail "$(offloaded "$d" offload_exact) ns are offloaded exactly, of $(charged "$d-51712")"
# apportioned DOMID: of its queues'
apportioned() {
	dump | jq --argjson d "$1" '[.rows[] | select(.domid == $d and .queue != null) |
		.counters | .offload_cycles - .offload_exact] | add'
}
before=$(apportioned "$d")
# Without flushes, of which shared ones are apportioned, too.
load "$d" --rw randrw --queues 2 --depth 8 --offset 12M --size 2M --number 500 >/dev/null
[ "$(apportioned "$d")" -gt "$before" ] || fail 'of two queues nothing is apportioned'

say 'it hangs, the daemon is killed meanwhile, and the next one serves'
load_bg "$W/bg.out" "$d" --rw randrw --verify --depth 8 --time 60 --flush-every 20 --size 4M --json; p=$BG
wrote() { [ "$(row "$d" write_requests)" -gt "$1" ]; }
within 20 wrote 600 || fail 'it writes nothing'
kill -STOP "$pid"
n=$(guest neighbour)
attach "$n" xvda "$(disk plain 16M)"
load "$n" --rw randrw --number 100 >/dev/null
daemon_kill
daemon_start --user root
load "$n" --rw randrw --number 100 >/dev/null
kill -CONT "$pid"
within 20 wrote 2000 || fail 'it does not go on'
end "$p"
expect_json "$W/bg.out" '.verify.errors == 0 and .errors.error == 0'
kill -0 "$pid" || fail 'the storage daemon has not gone on'

say 'a VHD, a VMDK, and an export over NBD'
qemu-img create -q -f vpc "$W/vhd" 16M
qemu-img create -q -f vmdk "$W/vmdk" 16M
attach "$d" xvdb "$(served "$d" 51728 "vhd:$W/vhd")"
attach "$d" xvdd "$(served "$d" 51760 "vmdk:$W/vmdk")"
verified "$d" --devid xvdb --size 4M --verify-state "$W/vhd.state"
verified "$d" --devid xvdd --size 4M --verify-state "$W/vmdk.state"
nbdkit -U "$W/nbd" --foreground --filter=log memory 16M logfile="$W/nbd.log" & NBD=$!
within 10 [ -S "$W/nbd" ] || fail 'nbdkit does not start'
chmod 777 "$W/nbd"
made=no
mkdir /run/xenmeter 2>/dev/null && made=yes
attach "$d" xvdc "$(served "$d" 51744 "nbd:nbd+unix:///?socket=$W/nbd")"
verified "$d" --devid xvdc --size 4M --discard-every 17
grep -q ' \(Zero\|Trim\) id=' "$W/nbd.log" || fail 'no discard has come there'
flushed() { grep -c ' Flush id=' "$W/nbd.log"; }
before=$(flushed)
load "$d" --devid xvdc --rw write --depth 1 --flush-every 2 --number 40 >/dev/null
[ $(($(flushed) - before)) -ge 20 ] || fail "of 20 flushes, $(($(flushed) - before)) have come there"
awk '$5 == "/run/xenmeter" && $6 ~ /^ro/ { found = 1 } END { exit !found }' \
	"/proc/$(pid_of "$d-51744")/mountinfo" || fail 'it sees the accounts and the journals'
[ $made = no ] || rmdir /run/xenmeter
[ "$(sed -n 's/^CapPrm:\t*//p' "/proc/$(pid_of "$d-51744")/status")" = 0000000000000000 ] ||
	fail 'one with a network has a capability'

say 'many may read an image, one write to it'
e=$(guest two)
attach "$e" xvda "$(served "$e" 51712 "qcow2:$W/middle" r)" --mode r
load "$e" --rw read --number 100 >/dev/null

# refused TARGET PATTERN [MODE]
refused() {
	if "$STORAGE_DAEMON" start 9-1 "$1" "${3:-w}" 2>"$W/refused"; then fail "$1 is served"; fi
	[ "$(wc -l <"$W/refused")" = 1 ] || { cat "$W/refused"; fail 'not one line'; }
	grep -Eq -- "$2" "$W/refused" || fail "$1: '$(cat "$W/refused")', not like '$2'"
	[ ! -e "$XENMETER_DISKS/9-1" ] || fail 'something of it is left'
}
say 'a snapshot is taken while it is used'
qemu-img create -q -u -f qcow2 -b "$W/top" -F qcow2 "$W/overlay" 16M
load_bg "$W/bg.out" "$d" --rw randrw --verify --depth 8 --time 60 --size 4M --json; p=$BG
before=$(row "$d" write_requests)
within 20 wrote $((before + 200)) || fail 'it writes nothing'
qemu-io -f raw -c 'read 0 4k' "$XENMETER_DISKS/$d-51712/disk" >"$W/io.out" ||
	{ cat "$W/io.out"; fail "an HVM guest's QEMU could not open it"; }
"$STORAGE_DAEMON" admit "$d-51712" "$W/overlay"
qmp "$d-51712" '{"execute":"blockdev-add","arguments":{"driver":"qcow2","node-name":"overlay",
	"backing":null,"file":{"driver":"file","filename":"'"$W/overlay"'"}}}'
qmp "$d-51712" '{"execute":"blockdev-snapshot","arguments":{"node":"image0","overlay":"overlay"}}'
md5sum "$W/top" >>"$W/sums"
before=$(row "$d" write_requests)
within 20 wrote $((before + 200)) || fail 'it does not go on'
end "$p"
expect_json "$W/bg.out" '.verify.errors == 0 and .errors.error == 0'

say 'it is resized, and it dies: its disk is closed, the others are not'
load_bg "$W/holds.out" "$d" --hold 60; holds=$BG
load_bg "$W/held.out" "$d" --devid xvdc --hold 60; held=$BG
state "$d" front 4; state "$d" front 4 51744
qmp "$d-51712" '{"execute":"block_resize","arguments":{"node-name":"overlay","size":33554432}}'
within 10 is "$(back "$d")/sectors" 65536 || { cat "$W/qmp.out"; fail 'it is not resized'; }
kill -KILL "$pid"
expect_error "$d" "^[0-9]* $XENMETER_DISKS/$d-51712/disk: the process that showed it has ended.* detach"
state "$d" back 6
grep -q "backend/vbd/$d/51712.*the process that showed it has ended" "$LOG" || fail 'the log does not say so'
expect_key "$(back "$d" 51744)/state" 4
end "$held"
wait "$holds" || :

say 'what cannot be served'
make() { qemu-img create -q -u -f qcow2 "$@"; }
refused "qcow2:$W/middle" 'in use by another program'
refused "qcow2:$W/none" 'none does not exist'
refused "qcow2:$W/vhd" 'not in the format qcow2; see what it is by qemu-img info'
head -c 1M /dev/urandom >"$W/noise"
refused "vhd:$W/noise" 'vhd:.*VPC'
qemu-img create -q -f vpc "$W/child" 1M
printf '\004' | dd of="$W/child" bs=1 seek=63 conv=notrunc 2>/dev/null
refused "vhd:$W/child" 'is a differencing VHD'
refused "vmdk:$W/noise" 'vmdk:.*VMDK'
make -b gone -F raw "$W/lost" 1M
refused "qcow2:$W/lost" "its backing file $W/gone does not exist; copy it there, or rebase it"
make "$W/loop" 1M
make -b loop -F qcow2 "$W/loop2" 1M
qemu-img rebase -u -b loop2 -F qcow2 "$W/loop"
refused "qcow2:$W/loop" 'its chain comes back to .*; mend it'
make -b nbd://localhost/x -F raw "$W/far" 1M
refused "qcow2:$W/far" 'backing file is nbd://localhost/x, not a local file; rebase it'
make -b "$W/base" -F qed "$W/strange" 1M
refused "qcow2:$W/strange" 'its format qed is not supported'
refused "nbd:nbd+unix:///?socket=$W/nothing" 'No such file'
refused nbd:example 'not a URI of NBD; write'
refused "qcow2:$W" 'neither a file nor a block device'
# extensions TYPE SIZE COUNT: an image with these in its header
extensions() {
	make "$W/extended" 1M
	python3 - "$W/extended" "$@" <<-'END'
		import struct, sys
		path, kind, size, count = sys.argv[1], *(int(x, 0) for x in sys.argv[2:])
		with open(path, 'r+b') as f:
		    f.seek(100)
		    f.seek(struct.unpack('>I', f.read(4))[0])
		    f.write(struct.pack('>II', kind, size) * count)
	END
}
extensions 0x12345678 0 100
refused "qcow2:$W/extended" 'its header has too many extensions'
extensions 0xe2792aca 0x7fffffff 1
refused "qcow2:$W/extended" "its backing file's format has 2147483647 bytes"

make "$W/blank " 1M # at the end of its name
served 9 1 "qcow2:$W/blank " >/dev/null
"$STORAGE_DAEMON" stop 9-1

say 'started again, and for another target'
make "$W/one" 1M
make "$W/another" 1M
served 9 1 "qcow2:$W/one" >/dev/null
first=$(pid_of 9-1)
served 9 1 "qcow2:$W/one" >/dev/null
[ "$(pid_of 9-1)" = "$first" ] || fail 'it is not the same process'
served 9 1 "qcow2:$W/another" >/dev/null
[ "$(pid_of 9-1)" != "$first" ] || fail 'it is what was asked for before'
gone "$first" || fail 'the former process is left'
"$STORAGE_DAEMON" stop 9-1

say 'the mount of the one before cannot be undone'
mkdir "$W/bin"
printf '#!/bin/sh\nexit 1\n' >"$W/bin/umount"
chmod +x "$W/bin/umount"
served 9 1 "qcow2:$W/one" >/dev/null
before=$(stat -c %i "$XENMETER_DISKS/9-1/charged")
if PATH=$W/bin:$PATH "$STORAGE_DAEMON" start 9-1 "qcow2:$W/another" w 2>"$W/refused"; then fail 'it is served'; fi
grep -q "of the device before, is still mounted; unmount it$" "$W/refused" || { cat "$W/refused"; fail 'another reason'; }
[ "$(stat -c %i-%s "$XENMETER_DISKS/9-1/charged")" = "$before-8" ] || fail 'what a helper has mapped has changed'
"$STORAGE_DAEMON" stop 9-1

say 'what other programs read then'
for x in "$d" "$e" "$n"; do "$SIMXL" destroy "$x"; done
for id in "$d-51712" "$d-51728" "$d-51744" "$d-51760" "$e-51712"; do
	p=$(pid_of "$id")
	"$STORAGE_DAEMON" stop "$id"
	gone "$p" || fail "the process of $id is left"
done
[ -z "$(ls -A "$XENMETER_DISKS")" ] || fail "left: $(ls "$XENMETER_DISKS")"
! grep -F "$W/disks" /proc/self/mountinfo || fail 'a mount is left'
md5sum --status -c "$W/sums" || fail 'what is only read has changed'
qemu-img check -q -r leaks "$W/overlay" >/dev/null || fail 'the image is damaged'
qemu-io -f qcow2 -c 'read -P 0x5a 8M 1M' "$W/overlay" | grep -q '^read 1048576' || fail 'its data are not those of the chain'
d=$(guest after)
for format in vpc vmdk; do
	name=$(echo $format | sed s/vpc/vhd/)
	qemu-img convert -f $format -O raw "$W/$name" "$W/$name.raw"
	attach "$d" xvda "$W/$name.raw" --mode r
	load "$d" --rw read --size 4M --verify-state "$W/$name.state" --json >"$W/load.out" || fail "the data of $name"
	expect_json "$W/load.out" '.verify.good > 100 and .verify.errors == 0'
	"$SIMXL" block-detach "$d" xvda
done
finish
