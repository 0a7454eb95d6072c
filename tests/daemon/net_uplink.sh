#!/bin/sh
# SPDX-License-Identifier: MIT
# An uplink that is slower than the guest makes the guest wait: nothing of what it sends is
# dropped, and it comes in order. The daemon once took whatever came, answered it as sent,
# and the kernel threw most of it away in the uplink's queue. A guest whose frames wait can
# be closed.
. "$(dirname "$0")/netlib.sh"

need tc iproute2
queues=$1
quiet
net_host
ip link add far type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link add up0 type veth peer name up1
ip link set up0 master "$BRIDGE" up
ip link set up1 master far up
ip link set far up
# Room for what the kernel keeps of the guest's queues, and not for all that is sent.
tc qdisc add dev up0 root tbf rate $((queues * 100))mbit burst 16k limit $((queues * 1200))k 2>"$W/tc" ||
	skip "no tbf: $(cat "$W/tc")"
one=$(guest one)
two=$(guest two)
vif_attach "$one"
vif_attach "$two"
ip link set "vif$two.0" master far
netload_bg "$W/two.out" "$two" sink --json --time 300
sink=$BG
netload_ready "$two"

n=$((queues * 4000))
# What is for all goes out as copies, which the kernel does not charge to whom they are of.
mac=00:16:3e:00:$(printf %02x "$two"):00
netload_start "$W/one.out" "$one" --queues "$queues" -n $n --size 1400 --dst "$mac" --linger 4
sender=$BG
# What the other guest has no room for on a busy machine is another matter.
passed() { cat /sys/class/net/up1/statistics/rx_packets; }
came() { [ "$(passed)" = $n ]; }
within 30 came || fail "of $n frames, $(passed) passed the uplink"
ended "$sender"
expect_row "$one" tx_frames $n
expect_row "$one" tx_dropped_tap 0
expect_row "$one" tx_bytes $((n * 1400))
tc -j -s qdisc show dev up0 root >"$W/tc"
expect_json "$W/tc" ".[0].drops == 0 and .[0].packets >= $n"

say 'closed while its frames wait'
tc qdisc replace dev up0 root tbf rate 8kbit burst 16k limit $((queues * 1200))k
netload_start "$W/one.out" "$one" --time 300 --size 1400 --stream 2 --dst "$mac"
blocked() { [ "$(row "$one" tx_frames)" = "$FRAMES" ] || { FRAMES=$(row "$one" tx_frames); return 1; }; }
FRAMES=none
sleep 0.2
within 10 blocked || fail 'it is not blocked'
[ "$FRAMES" -gt $((n + 100)) ] || fail "blocked after $FRAMES frames"
kill -KILL "$BG"
"$SIMXL" destroy "$one"
within 10 no_link "vif$one.0" || fail 'its TAP has stayed'
tc qdisc del dev up0 root
[ "$(row "$one" tx_dropped_tap)" -gt 0 ] || fail 'what waited was not counted as dropped'
end "$sink"
expect_json "$W/two.out" ".rx.frames > 0 and .verify.bad == 0 and (.verify.late == 0 or $queues > 1)"
finish
