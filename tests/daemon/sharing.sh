#!/bin/sh
# SPDX-License-Identifier: MIT
# One image, several guests: one writer or many readers, unless the operator insists.
. "$(dirname "$0")/lib.sh"

host
one=$(guest one); two=$(guest two)
img=$(disk a 16M)

say 'two writers: refused, the first is not disturbed'
attach "$one" xvda "$img"
load_bg "$W/one.out" "$one" --rw randrw --verify --time 2 --depth 4 --json
state "$one" back 4
attach "$two" xvda "$img"
expect_error "$two" 'in use by'
state "$two" back 6
say 'a reader beside a writer: likewise'
attach "$two" xvdb "$img" --mode r
expect_error "$two" 'in use by' 51728
state "$two" back 6 51728
ended "$BG"
expect_json "$W/one.out" '.verify.errors == 0'
for v in xvda xvdb; do "$SIMXL" block-detach "$two" $v; done
"$SIMXL" block-detach "$one" xvda

say 'two readers'
attach "$one" xvda "$img" --mode r
attach "$two" xvda "$img" --mode r
load_bg "$W/one.out" "$one" --rw randread --time 3 --rate 200; p=$BG
load "$two" --rw randread --number 200
say 'a writer beside a reader'
state "$one" back 4
attach "$two" xvdb "$img"
expect_error "$two" 'in use by' 51728
ended $p
for v in xvda xvdb; do "$SIMXL" block-detach "$two" $v; done
"$SIMXL" block-detach "$one" xvda

say 'w! on both sides'
attach "$one" xvda "$img" --set mode=w!
attach "$two" xvda "$img" --set mode=w!
load_bg "$W/one.out" "$one" --rw randwrite --verify --offset 0 --size 8m --time 1; p=$BG
load "$two" --rw randwrite --verify --offset 8m --size 8m --time 1
ended $p

say 'a program that holds the lock'
for v in xvda; do "$SIMXL" block-detach "$one" $v; "$SIMXL" block-detach "$two" $v; done
if command -v qemu-io >/dev/null; then
	qemu-io -f raw -c 'sleep 3000' "$img" >/dev/null &
	q=$!; PIDS="$PIDS $q"
	sleep 0.5
	attach "$one" xvda "$img"
	expect_error "$one" 'in use by another guest or program'
	kill $q; wait $q || :
fi
finish
