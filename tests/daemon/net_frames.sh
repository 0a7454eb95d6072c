#!/bin/sh
# SPDX-License-Identifier: MIT
# Frames of all sizes and in chains of all lengths, at all places in a page, arrive at
# another guest as they were sent: netload makes each byte from the frame's number and
# looks at each byte that comes. A tcpdump between them sees as many.
. "$(dirname "$0")/netlib.sh"

need tcpdump tcpdump
quiet
net_host --verbose
one=$(guest one); two=$(guest two)
vif_attach "$one"; vif_attach "$two"
to=00:16:3e:00:$(printf %02x "$two"):00
"$SIMXL" wait-state "$two" vif:0 back 2
netload_bg "$W/two.out" "$two" sink --json --poison --time 300
sink=$BG
netload_ready "$two"
tcpdump -q -U -p -B 16384 --immediate-mode -i "vif$one.0" -w "$W/pcap" 2>"$W/pcap.err" &
dumper=$!
PIDS="$PIDS $dumper"
within 10 grep -q 'listening on' "$W/pcap.err" || fail 'tcpdump'

# Each frame from the guest stands in a trace, with its bytes and when the TAP had it.
"$XENMETER" trace --table "$TABLE" --json --op tx >"$W/trace" 2>"$W/trace.err" &
tracer=$!
PIDS="$PIDS $tracer"
until_ms() { od -An -tu8 -j128 -N8 "$TABLE.trace" | tr -d ' '; }
within 10 eval '[ "$(until_ms)" != 0 ]' || fail 'nobody traces'

sent=0 stream=2
# send NUMBER OPTION...
send() {
	local n=$1; shift
	netload_send "$W/one.out" "$one" -n "$n" --rate 4000 --dst "$to" --stream $stream "$@"
	expect_json "$W/one.out" ".tx.okay == $n and .sent == $n"
	stream=$((stream + 1)) sent=$((sent + n))
}
for size in 30 60 61 64 127 128 1000 1499 1513 1514; do send 20 --size $size; done
for offset in 1 63 2048 4000; do send 20 --size 1400 --page-offset $offset; done
for slots in 2 3 5 18; do send 20 --size 1514 --slots $slots --udp; done
for ip in '' --ipv6; do
	# shellcheck disable=SC2086
	for csum in good blank; do
		send 20 --size 1514 --udp --csum $csum $ip
		send 20 --size 700 --tcp --csum $csum --slots 7 $ip
	done
done
received() { [ "$(row "$two" rx_frames)" = $sent ]; }
within 10 received || fail "$(row "$two" rx_frames) of $sent frames came"
seen() { tcpdump -r "$W/pcap" -nn -t -q 2>/dev/null | wc -l; }
all_seen() { [ "$(seen)" = $sent ]; }
within 10 all_seen || { cat "$W/pcap.err"; fail "tcpdump saw $(seen) frames, not $sent"; }
kill -INT $dumper; wait $dumper || fail 'tcpdump'
all_seen || fail "tcpdump saw $(seen) frames, not $sent"
end "$sink"
expect_json "$W/two.out" ".verify.good == $sent and .verify.bad == 0 and
	.verify.foreign == 0 and .verify.lost == 0 and .verify.csum_bad == 0"
expect_row "$one" tx_frames $sent
traced() { jq -s 'map(.requests) | add' "$W/trace" >"$W/sum" && [ "$(cat "$W/sum")" = $sent ]; }
within 10 traced || fail "$(cat "$W/sum") of $sent frames traced"
end "$tracer"
jq -s . "$W/trace" >"$W/all"
expect_json "$W/all" "(map(.bytes) | add) == $(row "$one" tx_bytes)"
expect_json "$W/all" 'all(.queueing_ns > 0 and .device_ns == 0 and .latency_ns >= .queueing_ns)'
expect_row "$two" tx_frames 0
grep -q 'backend/vif/[0-9]*/0 (two): the guest takes blank checksums of IPv4 yes' "$LOG" || fail 'what was negotiated'
finish
