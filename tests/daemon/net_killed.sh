#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed under load and started again: its TAP goes with it; the new one
# closes what the old one left at Connected, the guest connects anew and is served. But not
# before the hotplug script has run for the new TAP: what it said of the old one does not
# count. The guest was once connected to a TAP on no bridge, or, where the old daemon had
# not come to connect it, to none at all.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
d=$(guest one)
vif_attach "$d"
netload_bg "$W/one.out" "$d" generate --json --queues 2 --time 100 --size 1000
"$SIMXL" wait-state "$d" vif:0 back 4
sends() { [ "$(row "$d" tx_frames)" -gt 100 ]; }
within 10 sends || fail 'no frames'
daemon_kill
within 5 no_link "vif$d.0" || fail 'its TAP has stayed'
expect_key "$(back "$d" 0)/state" 4

daemon_start
"$SIMXL" wait-state "$d" vif:0 back 6
ended "$BG" 1
grep -q 'a daemon that is gone' "$LOG" || fail 'nothing is said'
netload_bg "$W/one.out" "$d" generate --json -n 500 --rate 10000
"$SIMXL" wait-state "$d" vif:0 back 2
within 10 has_link "vif$d.0" || fail 'no TAP'
expect_no_key "$(back "$d" 0)/hotplug-status"
"$SIMXL" wait-state "$d" vif:0 back 4 1 2>/dev/null && fail 'connected without the script'
grep -q 'script has to run again' "$LOG" || fail 'nothing is said of the script'
vif_plug "$d"
ended "$BG"
expect_json "$W/one.out" '.tx.okay == 500'
expect_row "$d" tx_frames 500

say 'killed when the script had run and the guest had not come'
two=$(guest two)
vif_attach "$two"
daemon_kill
within 5 no_link "vif$two.0" || fail 'its TAP has stayed'
daemon_start
within 10 has_link "vif$two.0" || fail 'no TAP'
netload_bg "$W/two.out" "$two" generate --json -n 500 --rate 10000
"$SIMXL" wait-state "$two" vif:0 front 4 1 2>/dev/null
expect_key "$(back "$two" 0)/state" 2
vif_plug "$two"
ended "$BG"
[ "$(cat "/sys/class/net/vif$two.0/statistics/rx_packets")" = 500 ] || fail 'frames are missing'
finish
