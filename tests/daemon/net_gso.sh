#!/bin/sh
# SPDX-License-Identifier: MIT
# Segments of TCP far longer than the MTU go over the ring whole, both ways; the rows
# count as many of them as the guest.
. "$(dirname "$0")/netlib.sh"

need iperf3 iperf3
need tcpdump tcpdump
net_host
net_guest one
iperf3 -s >/dev/null 2>&1 &
PIDS="$PIDS $!"
listens() { ss -ltn 'sport = 5201' | grep -q LISTEN; }
within 10 listens || fail 'no server'
tcpdump -q -p -c 200000 -s 100 -i "vif$D.0" -w "$W/pcap" 'greater 60000' 2>"$W/pcap.err" &
dumper=$!
PIDS="$PIDS $dumper"
within 10 grep -q 'listening on' "$W/pcap.err" || fail 'tcpdump'
for to in "$HOST4" "$HOST6"; do
	iperf "$D" -n 100M -l 1M -c "$to"
	iperf "$D" -n 100M -l 1M -c "$to" -R
done
kill -INT $dumper; wait $dumper || fail 'tcpdump'
net_down "$D"
clean "$D"
# longest FILTER: how many segments of 60,000 bytes and more
longest() { tcpdump -r "$W/pcap" -nn -t -q "$1" 2>/dev/null | wc -l; }
for from in 10.77.0.$D fd77::$D $HOST4 $HOST6; do
	n=$(longest "src host $from")
	say "from $from: $n long segments"
	[ "$n" -gt 10 ] || fail "$from sends no long segments"
done
for way in tx rx; do
	expect_row "$D" ${way}_gso_frames "$(get "$W/xm$D.out" .$way.gso)"
	expect_row "$D" ${way}_frames "$(get "$W/xm$D.out" .$way.frames)"
	expect_row "$D" ${way}_bytes "$(get "$W/xm$D.out" .$way.bytes)"
	expect_json "$W/xm$D.out" ".$way.gso > 1000 and .$way.bytes / .$way.frames > 3000"
done
finish
