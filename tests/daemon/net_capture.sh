#!/bin/sh
# SPDX-License-Identifier: MIT
# What tcpdump sees at one end of a vif is what it sees at the other, byte for byte and in
# order, both ways. Arguments: options of netload.
. "$(dirname "$0")/netlib.sh"

need tcpdump tcpdump
need iperf3 iperf3
need ping iputils-ping
net_host
net_guest one "$@"
MAC=00:16:3e:00:$(printf %02x "$D"):00
# What the kernel sends by itself may begin before both look.
FILTER="not (ip6 and ether multicast)"

tcpdump -q -U -p -B 65536 -i "vif$D.0" -w "$W/host.pcap" "$FILTER" 2>"$W/host.err" &
host_pid=$!
in_guest_bg "$D" tcpdump -q -U -p -B 65536 -i xen0 -w "$W/guest.pcap" "$FILTER" 2>"$W/guest.err"
guest_pid=$BG
PIDS="$PIDS $host_pid"
within 10 grep -q 'listening on' "$W/host.err" || fail 'tcpdump'
within 10 grep -q 'listening on' "$W/guest.err" || fail 'tcpdump'

iperf3 -s >/dev/null 2>&1 &
PIDS="$PIDS $!"
listens() { ss -ltn 'sport = 5201' | grep -q LISTEN; }
within 10 listens || fail 'no server'
for to in "$HOST4" "$HOST6"; do
	iperf "$D" -n 3M -c "$to"
	iperf "$D" -n 3M -c "$to" -R
	iperf "$D" -u -b 100M -n 200K -l 700 -c "$to"
done
for size in 16 17 63 64 65 500 1471 1472 1473 4000; do
	in_guest "$D" ping -q -c 2 -i 0.01 -s $size "$HOST4" >/dev/null || fail ping
done
sleep 1.5 # what tcpdump has got it sees after a second
kill -INT "$host_pid" "$guest_pid"
wait "$host_pid" "$guest_pid" || fail 'tcpdump'
net_down "$D"
clean "$D"

# frames FILE FILTER: as hexadecimal digits
frames() { tcpdump -r "$1" -K -nn -t -q -xx "$2" 2>/dev/null; }
for end in host guest; do
	grep -q '^0 packets dropped by kernel' "$W/$end.err" || fail 'tcpdump was too slow'
	frames "$W/$end.pcap" "ether src $MAC" >"$W/$end.sent"
	frames "$W/$end.pcap" "not ether src $MAC" >"$W/$end.received"
done
for way in sent received; do
	say "$way by the guest: $(grep -c 0x0000: "$W/guest.$way") frames"
	[ "$(grep -c 0x0000: "$W/guest.$way")" -gt 200 ] || fail 'too few'
	cmp "$W/host.$way" "$W/guest.$way" || { diff "$W/host.$way" "$W/guest.$way" | tail -60; false; } || fail "$way: not the same"
done
finish
