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
"$SIMXL" block-detach "$d" xvda
KIND=vbd

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
