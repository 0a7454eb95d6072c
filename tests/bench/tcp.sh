#!/bin/sh
# SPDX-License-Identifier: MIT
# iperf3 through vifs against iperf3 through a bare pair of TAPs with a forwarder between
# them (forward.c), the same number of TAPs as one vif has. Run by tests/bench/run net.
# Arguments: rounds, seconds of each, the forwarder. The ways take turns; a line for each
# gives the median of Mb/s and of the ratio to the bare pair in the same round.
LIB=../daemon/lib.sh
. "$(dirname "$0")/../daemon/netlib.sh"

rounds=$1 seconds=$2 forward=$3
need iperf3 iperf3
quiet
net_host
net_guest one; one=$D
net_guest two; two=$D

"$forward" bare0 bare1 &
PIDS="$PIDS $!"
within 10 has_link bare1 || fail 'no bare pair'
ip netns add bare
net_calm bare
ip link set bare1 netns bare
ip addr add 10.78.0.1/24 dev bare0
ip -n bare addr add 10.78.0.2/24 dev bare1
ip link set bare0 up
ip -n bare link set bare1 up
ip -n bare link set lo up

iperf3 -s >/dev/null 2>&1 &
PIDS="$PIDS $!"
in_guest_bg "$two" iperf3 -s >/dev/null 2>&1
listens() { "$@" ss -ltn 'sport = 5201' | grep -q LISTEN; }
within 10 listens || fail 'no server'
within 10 listens in_guest "$two" || fail 'no server in the guest'

# bulk FILE NAMESPACE ADDRESS [OPTION...]: Mb/s of TCP, appended to the file
bulk() {
	local to=$W/$1 ns=$2; shift 2
	ip netns exec "$ns" iperf3 -J -t "$seconds" -c "$@" >"$W/tcp" 2>&1 ||
		{ cat "$W/tcp"; fail "iperf3 $*"; }
	jq '.end.sum_received.bits_per_second / 1e6' "$W/tcp" >>"$to"
}

n=0
while [ $n -lt "$rounds" ]; do
	n=$((n + 1))
	bulk bare bare 10.78.0.1
	bulk sends "xm$one" "$HOST4"
	bulk bare-R bare 10.78.0.1 -R
	bulk receives "xm$one" "$HOST4" -R
	bulk guests "xm$one" "10.77.0.$two"
done

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# tell TEXT FILE BARE
tell() {
	local ratio
	ratio=$(paste "$W/$2" "$W/$3" | awk '{ print 100 * $1 / $2 }' | median)
	printf 'bulk TCP, %s: %.0f Mb/s, a bare pair of TAPs %.0f Mb/s: %.0f %%\n' "$1" \
		"$(median <"$W/$2")" "$(median <"$W/$3")" "$ratio"
}
tell 'guest to driver domain' sends bare
tell 'driver domain to guest' receives bare-R
tell 'guest to guest, two vifs' guests bare
dump | jq -r '[.rows[] | select(.queue != null) | .counters] |
	"with them, cycles a frame of up to 64 KiB: \(
		([.[].tx_cycles] | add) / ([.[].tx_frames] | add) | round) from guests, \(
		([.[].rx_cycles] | add) / ([.[].rx_frames] | add) | round) to guests"'
net_down "$one"
net_down "$two"
finish >/dev/null
