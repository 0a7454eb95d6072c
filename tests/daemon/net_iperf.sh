#!/bin/sh
# SPDX-License-Identifier: MIT
# iperf3 between a guest and the host, both ways, and between guests. Arguments: how many
# workers and queues. With several queues all of them have to see frames.
. "$(dirname "$0")/netlib.sh"

need iperf3 iperf3
QUEUES=$2
net_host --workers="$1"
net_guest one --queues "$QUEUES"; one=$D
net_guest two --queues "$QUEUES"; two=$D

iperf3 -s >"$W/host.out" 2>&1 &
PIDS="$PIDS $!"
in_guest_bg "$two" iperf3 -s >"$W/server.out" 2>&1
listens() { "$@" ss -ltn 'sport = 5201' | grep -q LISTEN; }
within 10 listens || fail 'no server'
within 10 listens in_guest "$two" || fail 'no server in the guest'

# bulk ADDRESS [OPTION...]: 32 MiB of TCP from guest one
bulk() {
	iperf "$one" -J -n 32M -P $((QUEUES == 1 ? 1 : 16)) -c "$@"
	json "$W/iperf" '.end.sum_received.bytes > 1000000' ||
		{ cat "$W/iperf"; fail 'too little'; }
	say "$*: $(jq '.end.sum_received.bits_per_second / 1e6 | round' "$W/iperf") Mb/s"
}
bulk "$HOST4"
bulk "$HOST4" -R
bulk "$HOST6"
bulk "$HOST6" -R
bulk "10.77.0.$two"
bulk "fd77::$two" -R
"$XENMETER" check --table "$TABLE" >/dev/null || fail 'the books do not balance'

# whole ADDRESS [OPTION...]: datagrams of UDP, none of them lost. What a machine that is
# busy elsewhere loses in a socket's buffer is not ours: it may try thrice.
whole() {
	for try in 1 2 3; do
		iperf "$one" -J -u -b 20M -l 1400 -k 600 -c "$@"
		! json "$W/iperf" '.end.sum.lost_packets == 0 and .end.sum.packets >= 600' ||
			return 0
		say "$*: lost, try $try"
	done
	fail 'datagrams are lost'
}
whole "$HOST4"
whole "$HOST4" -R
whole "10.77.0.$two"

for d in "$one" "$two"; do
	net_down "$d"
	clean "$d"
	expect_json "$W/xm$d.out" '.queues | all(.tx_frames > 0 and .rx_frames > 0)'
done
dump >"$W/dump"
expect_json "$W/dump" "[.rows[] | select(.domid == $one and .queue != null)] | length == $QUEUES and
	all(.counters.tx_frames > 0 and .counters.rx_frames > 0)"
finish
