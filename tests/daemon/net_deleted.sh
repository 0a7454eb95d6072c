#!/bin/sh
# SPDX-License-Identifier: MIT
# Somebody deletes the TAP of a guest that is connected: the daemon says so (error, state,
# log), and makes another one when the guest reconnects, which waits for the hotplug script.
# The daemon once went on as if nothing had happened, and the guest sent into nothing. The
# same where no guest was connected.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
d=$(guest one)
vif_attach "$d"
netload_bg "$W/one.out" "$d" generate --json --queues 2 --rate 1000 --time 100
netload_ready "$d"
sends() { [ "$(row "$d" tx_frames)" -gt 10 ]; }
within 10 sends || fail 'no frames'
ip link del "vif$d.0"
expect_error "$d" "vif$d.0 was deleted" 0
"$SIMXL" wait-state "$d" vif:0 back 6
ended "$BG" 1
grep -q "vif$d.0 was deleted" "$LOG" || fail 'nothing is said'
no_link "vif$d.0" >/dev/null || fail 'a TAP, and no guest for it'

# again: the guest connects, once the script has run for its new TAP
again() {
	netload_bg "$W/one.out" "$d" generate --json -n 500 --rate 10000
	"$SIMXL" wait-state "$d" vif:0 back 2
	within 10 has_link "vif$d.0" || fail 'no TAP'
	"$SIMXL" wait-state "$d" vif:0 back 4 1 2>/dev/null && fail 'connected without the script'
	vif_plug "$d"
	ended "$BG"
	expect_json "$W/one.out" '.tx.okay == 500'
}
again
say 'while nobody is connected'
"$SIMXL" wait-state "$d" vif:0 back 6
ip link del "vif$d.0"
again
kill -0 "$DAEMON" || fail 'the daemon has died'
finish
