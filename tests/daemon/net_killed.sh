#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed under load and started again. Its TAPs stay, on their bridge; the new
# one closes what the old one left at Connected, the guest connects anew and is served by
# the same TAP, without its hotplug script. The TAPs of devices that went meanwhile, or were
# made anew under an old name, are deleted.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
d=$(guest one)
vif_attach "$d"
netload_bg "$W/one.out" "$d" generate --json --queues 2 --time 100 --size 1000
"$SIMXL" wait-state "$d" vif:0 back 4
sends() { [ "$(row "$d" tx_frames)" -gt 100 ]; }
within 10 sends || fail 'no frames'
index=$(cat "/sys/class/net/vif$d.0/ifindex")
daemon_kill
no_link "vif$d.0" && fail 'its TAP has gone'
expect_key "$(back "$d" 0)/state" 4

daemon_start
"$SIMXL" wait-state "$d" vif:0 back 6
ended "$BG" 1
grep -q 'a daemon that is gone' "$LOG" || fail 'nothing is said'
netload "$d" generate --json -n 500 --rate 10000 >"$W/one.out" || fail 'generate'
expect_json "$W/one.out" '.tx.okay == 500'
expect_row "$d" tx_frames 500
[ "$(cat "/sys/class/net/vif$d.0/ifindex")" = "$index" ] || fail 'another TAP'
ip link show dev "vif$d.0" | grep -q "master $BRIDGE" || fail 'on no bridge'

say 'killed when the script had run and the guest had not come'
two=$(guest two)
vif_attach "$two"
daemon_kill
daemon_start
netload "$two" generate --json -n 500 --rate 10000 >"$W/two.out" || fail 'generate'
[ "$(cat "/sys/class/net/vif$two.0/statistics/rx_packets")" = 500 ] || fail 'frames are missing'

say 'one is removed meanwhile, and one is made anew'
daemon_kill
"$SIMXL" vif-detach "$d" 0 || :
"$SIMXL" vif-detach "$two" 0 || :
"$SIMXL" vif-attach "$two" 0 --bridge "$BRIDGE" --no-script
index=$(cat "/sys/class/net/vif$two.0/ifindex")
daemon_start
within 10 no_link "vif$d.0" || fail 'the TAP of a device that is gone has stayed'
"$SIMXL" wait-state "$two" vif:0 back 2
[ "$(cat "/sys/class/net/vif$two.0/ifindex")" != "$index" ] || fail 'the TAP of another device'
vif_plug "$two"
netload "$two" generate --json -n 5 >/dev/null || fail 'generate'
finish
