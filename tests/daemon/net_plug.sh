#!/bin/sh
# SPDX-License-Identifier: MIT
# The TAP is there before InitWait, without carrier; Connected comes only after the
# hotplug script has said `connected`; the carrier comes and goes with the frontend, the
# TAP with the device. Argument: the user that the daemon becomes.
. "$(dirname "$0")/netlib.sh"

quiet
net_bridge
host${1:+_for} "$@"
d=$(guest one)
"$SIMXL" vif-attach "$d" 0 --bridge "$BRIDGE" --no-script
"$SIMXL" wait-state "$d" vif:0 back 2
has_link "vif$d.0" >/dev/null || fail 'InitWait, and no TAP'
carrier() { cat "/sys/class/net/vif$d.0/carrier"; }
ip link set "vif$d.0" up
[ "$(carrier)" = 0 ] || fail 'a carrier before there is a frontend'
# With the usual one, it takes 6 MiB of the kernel's memory.
expect_json_of_link() {
	ip -j link show dev "vif$d.0" >"$W/link"
	expect_json "$W/link" ".[0] | $1"
}
expect_json_of_link '.qdisc == "noqueue"'
[ "$(cat "/sys/class/net/vif$d.0/address")" = fe:ff:ff:ff:ff:ff ] || fail 'not the usual address'

say 'not plugged in yet'
netload_bg "$W/one.out" "$d" connect --json --hold 300 --timeout 60
pid=$BG
"$SIMXL" wait-state "$d" vif:0 back 4 1 2>/dev/null && fail 'connected without the script'
expect_key "$(back "$d" 0)/state" 2
vif_plug "$d"
"$SIMXL" wait-state "$d" vif:0 back 4
[ "$(carrier)" = 1 ] || fail 'no carrier'
expect_json_of_link '.txqlen == 1000'

say 'again and again'
end "$pid"
[ "$(carrier)" = 0 ] || fail 'a carrier without a frontend'
index=$(cat "/sys/class/net/vif$d.0/ifindex")
netload "$d" connect --cycles 20 --queues 3 >/dev/null || fail 'connect'
netload "$d" generate --json -n 77 >/dev/null || fail 'generate'
[ "$(cat "/sys/class/net/vif$d.0/ifindex")" = "$index" ] || fail 'another TAP'
expect_row "$d" tx_frames 77

say 'all of its queues may hold as many frames as one'
netload_bg "$W/one.out" "$d" connect --json --queues 8 --hold 300
netload_ready "$d"
expect_json_of_link '.txqlen == 125'
end "$BG"
ip link set "vif$d.0" txqueuelen 50
netload_bg "$W/one.out" "$d" connect --json --queues 3 --hold 300
netload_ready "$d"
expect_json_of_link '.txqlen == 50'
end "$BG"
dump >"$W/dump"
expect_json "$W/dump" "[.rows[] | select(.domid == $d and .queue != null)] | length == 8 and
	all(.state == \"retired\")"
"$SIMXL" vif-detach "$d" 0 || fail 'detach'
within 10 no_link "vif$d.0" || fail 'its TAP has stayed'

say 'the name is taken'
ip link add "vif$d.0" type bridge
"$SIMXL" vif-attach "$d" 0 --bridge "$BRIDGE" --no-script
expect_error "$d" "vif$d.0" 0
"$SIMXL" wait-state "$d" vif:0 back 6
kill -0 "$DAEMON" || fail 'the daemon has died'
say "$(key "$HOME0/error/backend/vif/$d/0/error")"
ip link del "vif$d.0"
"$SIMXL" vif-detach "$d" 0 || fail 'detach'
vif_attach "$d"
netload "$d" generate --json -n 5 >/dev/null || fail 'generate'
finish
