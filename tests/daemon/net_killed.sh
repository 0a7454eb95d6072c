#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed under load and started again: its TAP goes with it; the new one
# closes what the old one left at Connected, the guest connects anew and is served.
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
vif_plug "$d"
ended "$BG"
expect_json "$W/one.out" '.tx.okay == 500'
expect_row "$d" tx_frames 500
finish
