#!/bin/sh
# SPDX-License-Identifier: MIT
# Disks and cdroms, read-only and not, under both names of the backend; the toolstack's
# discard-enable.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
img=$(disk a 16M)

say 'vbd3, as libxl makes it for backendtype=tap from 4.19'
KIND=vbd3
attach "$d" xvda "$img" --kind vbd3
load "$d" --rw randrw --verify --number 500 --depth 4
expect_key "$(back "$d")/sectors" 32768
"$XENMETER" dump --json --table "$TABLE" >"$W/rows"
expect_json "$W/rows" '[.rows[] | [.device, .device_name]] | unique == [["vbd3", "xvda"]]'

say 'its figures stand where xentop looks for those of tapdisk3, in each life'
mkdir "$W/shm"
"$XENMETER" export --tapdisk="$W/shm" --interval 1 --table "$TABLE" &
writer=$!
PIDS="$PIDS $writer"
load_bg "$W/vbd3.out" "$d" --rw randrw --bs 4k --rate 200 --time 120
loader=$BG
stats() { echo "$W/shm/td3-$(key "$(back "$d")/kthread-pid")/vbd-$d-51712"; }
# word N: 0 version, 1 ring full, 2 reads submitted, 3 completed, 4 sectors, 5 us, 6 to 9
# the same of writes, 10 errors, 11 flags
word() { od -An -tu8 -j$(($1 * 8)) -N8 "$W/stats" | tr -d ' '; }
# What the table has now is in the file soon, and the file is not ahead of the table.
figures() {
	reads=$(row "$d" read_requests) writes=$(row "$d" write_requests)
	told() { cp "$(stats)" "$W/stats" && [ "$(word 3)" -ge "$reads" ] && [ "$(word 7)" -ge "$writes" ]; }
	within 20 told || fail 'the file is behind'
	[ "$(word 3)" -le "$(row "$d" read_requests)" ] || fail 'reads'
	[ "$(word 7)" -le "$(row "$d" write_requests)" ] || fail 'writes'
	[ "$(word 0)" = 1 ] && [ "$(word 1)" = 0 ] && [ "$(word 10)" = 0 ] && [ "$(word 11)" = 0 ] || fail 'constants'
	[ "$(word 2)" = "$(word 3)" ] && [ "$(word 6)" = "$(word 7)" ] || fail 'submitted and completed'
	[ "$(word 4)" = $(($(word 3) * 8)) ] && [ "$(word 8)" = $(($(word 7) * 8)) ] || fail 'sectors'
	[ "$(word 5)" -gt 0 ] && [ "$(word 9)" -gt 0 ] || fail 'ticks'
	[ "$(stat -c %s "$W/stats")" -ge 96 ] || fail 'its size'
	[ -d "$W/shm/vbd3-$d-51712" ] || fail 'the directory that xcp-rrdd waits for'
}
served() { [ "$(row "$d" read_requests)" -gt 50 ] && [ "$(row "$d" write_requests)" -gt 50 ]; }
within 20 served || fail 'no load'
figures
old=$(stats)
daemon_kill
daemon_start
again() { [ "$(stats)" != "$old" ] && [ -s "$(stats)" ] && [ ! -e "$old" ]; }
within 20 again || fail 'not in the next life, or in the last one too'
figures
end "$loader"
figures
[ "$(word 3)" = "$reads" ] && [ "$(word 7)" = "$writes" ] || fail 'the table of a load that is over'
"$SIMXL" block-detach "$d" xvda
KIND=vbd
empty() { ! ls "$W/shm" | grep -q vbd3; }
within 20 empty || fail 'a disk that is gone'
end "$writer"
[ -z "$(ls "$W/shm")" ] || { ls -R "$W/shm"; fail 'something is left'; }

say 'a cdrom'
attach "$d" xvdc "$img" --mode r --type cdrom
load "$d" --devid xvdc --connect-only >"$W/cd.out"
# VDISK_CDROM 1, VDISK_REMOVABLE 2, VDISK_READONLY 4
expect_json "$W/cd.out" '.info == 7 and .read_only and (.feature_discard | not)'

say 'a read-only disk'
attach "$d" xvdd "$img" --mode r
load "$d" --devid xvdd --connect-only >"$W/ro.out"
expect_json "$W/ro.out" '.info == 4 and .read_only and (.feature_discard | not)'
for k in discard-granularity discard-alignment; do # both or neither
	expect_no_key "$(back "$d" 51760)/$k"
done
load "$d" --devid xvdd --rw read --number 10
load "$d" --devid xvdd --rw flush --number 2
sum=$(cksum <"$img")
load "$d" --devid xvdd --force --rw write --number 10 >"$W/w.out" && fail 'it was written to'
[ "$(cksum <"$img")" = "$sum" ] || fail 'a read-only disk has changed'
"$SIMXL" block-detach "$d" xvdc
"$SIMXL" block-detach "$d" xvdd

say 'discard switched off by the toolstack'
attach "$d" xvda "$img" --set discard-enable=0
load "$d" --connect-only >"$W/nd.out"
expect_json "$W/nd.out" '.feature_discard | not'
expect_no_key "$(back "$d")/discard-granularity"
finish
