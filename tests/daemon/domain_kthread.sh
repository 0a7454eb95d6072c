#!/bin/sh
# SPDX-License-Identifier: MIT
# What kernel threads do to write a disk's cached data back is its guest's; what they do
# for other files of the domain is not.
. "$(dirname "$0")/lib.sh"

DOMAIN=--domain=on
host
grep -q 'the domain.s CPU is measured' "$LOG" ||
	skip "$(grep -o 'the domain.s CPU is.*' "$LOG")"
# A file system of its own, in memory: another one may have much else to write.
fs=/dev/shm/xenmeter-$$.img
trap 'code=$?; umount -l "$W/fs" 2>/dev/null; rm -f "$fs"; (exit $code); cleanup' EXIT
truncate -s 96M "$fs"
mkfs.ext4 -q "$fs" && mkdir "$W/fs" && mount -o loop "$fs" "$W/fs" 2>/dev/null ||
	skip 'no file system can be mounted here'
for name in a b; do truncate -s 16M "$W/fs/$name"; done
one=$(guest one)
two=$(guest two)
attach "$one" xvda "$W/fs/a" --set cache=writeback
attach "$two" xvda "$W/fs/b" --set cache=writeback
# kthread DOMID: what its rows have of kernel threads, cycles
kthread() {
	dump | jq --argjson d "$1" '[.rows[] | select(.domid == $d).counters.kernel_kthread] | add'
}
has() { sync -f "$W/fs"; [ "$(kthread "$one")" -gt 0 ]; }

load "$two" --rw read --depth 4 --number 500 --json >"$W/two.out"
load_bg "$W/one.out" "$one" --rw write --depth 4 --time 300 --json
within 30 has || { dump | jq .domain.lines; fail 'writing back is not charged'; }
dump >"$W/dump"
expect_json "$W/dump" '[.rows[].counters | select(.kernel_kthread > 0) | .kernel_apportioned > 0] | all'
[ "$(kthread "$two")" = 0 ] || fail 'a guest that writes nothing pays for writing back'
end "$BG"
expect_json "$W/one.out" '.errors.error == 0'
# The domain's own.
sync -f "$W/fs"
sleep 1.2 # a worker's tick
before=$(kthread "$one")
dd if=/dev/zero of="$W/fs/own" bs=64k count=200 2>/dev/null
sync -f "$W/fs"
sleep 1.2
[ "$(kthread "$one")" = "$before" ] || fail "a guest pays for the domain's own files"
finish
