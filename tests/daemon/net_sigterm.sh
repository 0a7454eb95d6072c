#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon ends under load, in good order: no state is written, and the TAPs stay, on
# their bridge. Told to give the devices back, it closes its vifs, and their TAPs go.
. "$(dirname "$0")/netlib.sh"

quiet
net_host --workers=2
for name in one two; do
	d=$(guest $name)
	vif_attach "$d"
	netload_bg "$W/$d.out" "$d" generate --json --queues 2 --time 100 --size 1000 --poison
	pids="${pids:-} $BG"
done
for d in 1 2; do
	"$SIMXL" wait-state "$d" vif:0 back 4
	sends() { [ "$(row "$d" tx_frames)" -gt 100 ]; }
	within 10 sends || fail 'no frames'
done
balanced
daemon_stop
for d in 1 2; do
	expect_key "$(back $d 0)/state" 4
	has_link "vif$d.0" >/dev/null || fail 'a TAP has gone'
done
dump >"$W/dump"
expect_json "$W/dump" '[.rows[] | select(.domid > 0)] | all(.state == "retired")'
daemon_release
for d in 1 2; do
	"$SIMXL" wait-state "$d" vif:0 back 6
	within 10 no_link "vif$d.0" || fail 'a TAP has stayed'
done
for pid in $pids; do ended "$pid" 1; done # it tells that it was cut short
for d in 1 2; do
	expect_json "$W/$d.out" '.protocol_violations == 0 and .tx.error == 0'
done
finish
