#!/bin/sh
# SPDX-License-Identifier: MIT
# One image, several guests: one writer or many readers, unless the operator insists. Who
# may not have it yet waits, says so, and is served when it is free.
. "$(dirname "$0")/lib.sh"

# waits DOMID PATTERN [DEVID]: at InitWait, for what is said once
waits() {
	within 10 grep -Eq "backend/vbd/$1/${3:-51712} [^:]*: waits for $2" "$LOG" ||
		fail "domain $1 does not say that it waits for $2"
	expect_key "$(back "$1" "${3:-51712}")/state" 2
}

host
one=$(guest one); two=$(guest two)
img=$(disk a 16M)

say 'two writers: the second waits, the first is not disturbed'
attach "$one" xvda "$img"
load_bg "$W/one.out" "$one" --rw randrw --verify --time 30 --depth 4 --json; p=$BG
state "$one" back 4
attach "$two" xvda "$img"
load_bg "$W/two.out" "$two" --rw randrw --verify --number 200; q=$BG
waits "$two" "$img, which domain $one \(one\) has"
say 'a reader beside a writer: likewise'
attach "$two" xvdb "$img" --mode r
waits "$two" "$img, which domain $one \(one\) has" 51728
say 'the first has closed and may come again: still its own'
end "$p"
expect_json "$W/one.out" '.verify.errors == 0'
sleep 1.5
expect_key "$(back "$two")/state" 2
say 'the first is detached: the second is served'
"$SIMXL" block-detach "$one" xvda
ended "$q"
for v in xvda xvdb; do "$SIMXL" block-detach "$two" $v; done

say 'two readers'
attach "$one" xvda "$img" --mode r
attach "$two" xvda "$img" --mode r
load_bg "$W/one.out" "$one" --rw randread --time 30 --rate 200; p=$BG
load "$two" --rw randread --number 200
say 'a writer beside readers: waits until the last is gone, and its own VM is no other'
state "$one" back 4
attach "$two" xvdc "$img"
load_bg "$W/two.out" "$two" --devid xvdc --rw randwrite --number 200; q=$BG
waits "$two" "$img, which domain $one \(one\) has" 51744
end "$p"
"$SIMXL" block-detach "$one" xvda
ended "$q"
for v in xvda xvdc; do "$SIMXL" block-detach "$two" $v; done

say 'w! on both sides'
attach "$one" xvda "$img" --set mode=w!
attach "$two" xvda "$img" --set mode=w!
load_bg "$W/one.out" "$one" --rw randwrite --verify --offset 0 --size 8m --time 1; p=$BG
load "$two" --rw randwrite --verify --offset 8m --size 8m --time 1
ended $p
for d in "$one" "$two"; do "$SIMXL" block-detach "$d" xvda; done

say 'one VM: a domain that it migrates to has its disk before the first is gone'
uuid=$(xenstore-read "/local/domain/$one/vm")
attach "$one" xvda "$img"
load_bg "$W/one.out" "$one" --rw randread --time 30 --rate 200; p=$BG
state "$one" back 4
three=$(guest three)
xenstore-write "/local/domain/$three/vm" "$uuid"
attach "$three" xvda "$img"
load "$three" --rw randwrite --number 200
end "$p"
"$SIMXL" block-detach "$one" xvda
load "$three" --rw randwrite --number 200

say 'one VM: so has a stub domain, whose target it is'
stub=$(guest stub)
xenstore-write "/local/domain/$stub/target" "$three"
attach "$stub" xvda "$img"
load "$stub" --rw randwrite --number 200
for d in "$three" "$stub"; do "$SIMXL" block-detach "$d" xvda; done

say 'a daemon elsewhere has it: waited for'
"$HOLDS" "$img" >"$W/holds" &
q=$!; PIDS="$PIDS $q"
within 10 grep -q held "$W/holds" || fail 'the lock was not given back'
attach "$one" xvda "$img"
load_bg "$W/one.out" "$one" --rw randread --number 200; p=$BG
waits "$one" "$img, which another program or host has locked"
kill $q; wait $q || :
ended "$p"
"$SIMXL" block-detach "$one" xvda

say 'a device model: QEMU opens what is served, and what QEMU has is served'
if command -v qemu-io >/dev/null; then
	attach "$one" xvda "$img"
	load_bg "$W/one.out" "$one" --rw randread --time 30 --rate 200; p=$BG
	state "$one" back 4
	qemu-io -f raw -c 'read 0 4k' "$img" >"$W/qemu" 2>&1 || { cat "$W/qemu"; fail 'QEMU cannot open it'; }
	end "$p"
	"$SIMXL" block-detach "$one" xvda
	qemu-io -f raw -c 'sleep 30000' "$img" >/dev/null &
	q=$!; PIDS="$PIDS $q"
	attach "$one" xvda "$img"
	load "$one" --rw randread --number 200
	"$SIMXL" block-detach "$one" xvda
	kill $q; wait $q || :
else
	say 'not tried: needs qemu-io (package qemu-utils)'
fi

# As Xen starts it: the firmware reads the emulated disk until the guest's own drivers come.
say 'an HVM guest: QEMU has the image as an emulated disk, before and while it is served'
if command -v qemu-system-x86_64 >/dev/null; then
	emulate() {
		exec env -u LD_LIBRARY_PATH qemu-system-x86_64 -machine pc,accel=tcg -S -display none -nodefaults -monitor none \
			-drive "file=$img,format=raw,if=ide,cache=none" -pidfile "$W/qemu.pid" "$@"
	}
	# Bytes from 200 on are what it shares with nobody, the last that it locks.
	has_image() { grep -q "OFDLCK .*:$(stat -c %i "$img") 20[0-9] " /proc/locks; }
	emulate >"$W/qemu" 2>&1 &
	q=$!; PIDS="$PIDS $q"
	within 20 has_image || { cat "$W/qemu"; fail 'QEMU does not open it'; }
	attach "$one" xvda "$img"
	load "$one" --rw randrw --verify --number 200
	kill $q; wait $q || :
	load_bg "$W/one.out" "$one" --rw randrw --verify --time 30 --json; p=$BG
	state "$one" back 4
	emulate >"$W/qemu" 2>&1 &
	q=$!; PIDS="$PIDS $q"
	within 20 has_image || { cat "$W/qemu"; fail 'QEMU does not open what is served'; }
	say "one QEMU keeps the other off, as it would without us"
	qemu-io -f raw -c 'write 0 4k' "$img" >"$W/second" 2>&1 && fail 'two write'
	grep -q 'lock' "$W/second" || { cat "$W/second"; fail 'it is not said why'; }
	end "$p"
	expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0'
	kill $q; wait $q || :
	"$SIMXL" block-detach "$one" xvda
else
	say 'not tried: needs qemu-system-x86_64 (package qemu-system-x86)'
fi
finish
