#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed under load, stopped and started again: a guest's frames go on, in
# both directions, by the same TAP on the same bridge, and no state is written. The TAPs of
# devices that went meanwhile, or were made anew under an old name, are deleted; a device
# without its TAP is closed.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
net_guest one --queues 2
d=$D
index() { cat "/sys/class/net/vif$1.0/ifindex"; }
was=$(index "$d")
# -c 200: some are lost
in_guest_bg "$d" ping -q -i 0.01 -w 60 10.77.0.254
pings() { in_guest "$d" ping -q -c 3 -i 0.05 -w 5 10.77.0.254 >/dev/null; }
within 10 pings || fail 'no ping'
for round in 1 2 3 4; do
	case $round in
	3) daemon_stop ;;
	*) daemon_kill ;;
	esac
	expect_key "$(back "$d" 0)/state" 4
	daemon_start
	within 10 pings || fail "round $round: no ping"
	expect_key "$(back "$d" 0)/state" 4
	expect_key "/local/domain/$d/device/vif/0/state" 4
	[ "$(index "$d")" = "$was" ] || fail 'another TAP'
done
grep -q 'a daemon that is gone' "$LOG" && fail 'a device was closed'
ip link show dev "vif$d.0" | grep -q "master $BRIDGE" || fail 'on no bridge'

say 'killed when the script had run and the guest had not come'
two=$(guest two)
vif_attach "$two"
daemon_kill
daemon_start
netload "$two" generate --json -n 500 --rate 10000 >"$W/two.out" || fail 'generate'
[ "$(cat "/sys/class/net/vif$two.0/statistics/rx_packets")" = 500 ] || fail 'frames are missing'

say 'one is made anew, and one loses its TAP meanwhile'
three=$(guest three)
vif_attach "$three"
daemon_kill
"$SIMXL" vif-detach "$two" 0 || :
"$SIMXL" vif-detach "$three" 0 || :
"$SIMXL" vif-attach "$two" 0 --bridge "$BRIDGE" --no-script
was=$(index "$two")
ip link del "vif$d.0"
daemon_start
within 10 no_link "vif$three.0" || fail 'the TAP of a device that is gone has stayed'
"$SIMXL" wait-state "$two" vif:0 back 2
[ "$(index "$two")" != "$was" ] || fail 'the TAP of another device'
vif_plug "$two"
netload "$two" generate --json -n 5 >/dev/null || fail 'generate'
expect_error "$d" 'its interface is gone' 0

say 'one has another ring'
four=$(guest four)
vif_attach "$four"
netload_bg "$W/four.out" "$four" generate --json --time 60
"$SIMXL" wait-state "$four" vif:0 back 4
daemon_kill
"$SIMXL" run "$four" xenstore-write "/local/domain/$four/device/vif/0/rx-ring-ref" 77777
daemon_start
expect_error "$four" 'ring or event channel of queue 0 is not the one' 0
kill -KILL "$BG"; wait "$BG" 2>/dev/null || :
LEAKS_MEANT="$LEAKS_MEANT|pid $BG:"

# Its bridge ends by itself, or is told to.
eval "pid=\$BRIDGE_$d"
kill -TERM "$pid" 2>/dev/null || :
wait "$pid" 2>/dev/null || :
LEAKS_MEANT="$LEAKS_MEANT|pid $pid:"
finish
