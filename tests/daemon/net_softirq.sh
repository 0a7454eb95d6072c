#!/bin/sh
# SPDX-License-Identifier: MIT
# Frames that softirqs bring to a guest are that guest's: not a neighbour's, and not what
# the driver domain receives for itself.
. "$(dirname "$0")/netlib.sh"

need ping iputils-ping
DOMAIN=--domain=on
quiet
net_host
grep -q 'the domain.s CPU is measured' "$LOG" ||
	skip "$(grep -o 'the domain.s CPU is.*' "$LOG")"
net_guest one; a=$D
net_guest two --queues 2; b=$D
# A wire to the bridge: what comes from its other end is received in a softirq.
ip netns add wire
net_calm wire
ip link add wire0 type veth peer name wire1 netns wire
ip link set wire0 master "$BRIDGE" up
ip -n wire link set wire1 up
net_address wire wire1 200 c8

# pings LAST-OF-IPV4: from the wire
pings() {
	ip netns exec wire ping -q -c 300 -i 0.003 -W 5 "10.77.0.$1" >"$W/ping" ||
		{ cat "$W/ping"; fail "ping $1"; }
}

# softirqs DOMID: what its rows have of softirqs, cycles
softirqs() {
	dump | jq --argjson d "$1" '[.rows[] | select(.domid == $d).counters.kernel_softirq] | add'
}

grew() { [ "$(softirqs "$1")" -gt "$2" ]; }

pings "$a"
within 10 grew "$a" 0 || { dump | jq .rows; fail 'no softirq was for it'; }
# Who asked for its address asked all of them.
[ $(($(softirqs "$b") * 10)) -lt "$(softirqs "$a")" ] || fail 'a neighbour pays for its softirqs'
# Of several queues each has its own frames; together they are the guest's.
pings "$b"
within 10 grew "$b" 0 || fail 'no softirq was for a guest of two queues'
sleep 1.2 # a worker's tick
before="$(softirqs "$a") $(softirqs "$b")"
pings 254
sleep 1.2
after="$(softirqs "$a") $(softirqs "$b")"
# A broadcast of the wire's may come between.
awk "BEGIN { split(\"$before\", b); split(\"$after\", a)
	exit !(a[1] <= b[1] * 1.05 && a[2] <= b[2] * 1.05) }" ||
	fail "they pay for what the driver domain receives: $before, then $after"
net_down "$a"; net_down "$b"
finish
