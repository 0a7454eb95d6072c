#!/bin/sh
# SPDX-License-Identifier: MIT
# A vif whose script moved its interface to another network namespace connects with several
# queues, and frames go both ways. The daemon once made further queues only then, under a
# name that was not to be found any more.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
d=$(guest one)
"$SIMXL" vif-attach "$d" 0 --bridge "$BRIDGE" --no-script
"$SIMXL" wait-state "$d" vif:0 back 2
ip netns add elsewhere
net_calm elsewhere
ip link set "vif$d.0" netns elsewhere
ip -n elsewhere link set "vif$d.0" up
xenstore-write "$(back "$d" 0)/hotplug-status" connected
netload_bg "$W/one.out" "$d" echo --json --queues 3 --time 300
pid=$BG
netload_ready "$d"
grep -q 'connected: 3 queues' "$LOG" || fail 'not with three queues'
ip -n elsewhere addr add 10.77.0.254/24 dev "vif$d.0"
ip -n elsewhere neigh add "10.77.0.$d" dev "vif$d.0" lladdr "00:16:3e:00:$(printf %02x "$d"):00"
ip netns exec elsewhere ping -q -c 3 -i 0.01 -W 0.01 "10.77.0.$d" >/dev/null || :
echoed() { [ "$(row "$d" rx_frames)" -ge 3 ] && [ "$(row "$d" tx_frames)" -ge 3 ]; }
within 10 echoed || fail "$(row "$d" rx_frames) frames came, $(row "$d" tx_frames) went"
sleep 1.1 # a tick, which looks at the interface
kill -0 "$pid" || fail 'the guest has gone'
expect_key "$(back "$d" 0)/state" 4
end "$pid"
"$SIMXL" vif-detach "$d" 0 || fail 'detach'
no_link_elsewhere() { ! ip -n elsewhere link show dev "vif$d.0"; }
within 10 no_link_elsewhere || fail 'its TAP has stayed'
finish
