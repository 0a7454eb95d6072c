#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest is destroyed while it sends and receives: its pages are unmapped (else simxl calls
# it a zombie), its TAP goes, its row is retired with its charges, its neighbour goes on.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
other=$(guest other); vif_attach "$other"
netload_bg "$W/other.out" "$other" echo --json --time 300; other_pid=$BG
"$SIMXL" wait-state "$other" vif:0 back 4
for queues in 1 2; do
	d=$(guest "one$queues"); vif_attach "$d"
	netload_bg "$W/one.out" "$d" generate --json --queues $queues --time 300 --rate 20000 \
		--tcp --gso 1400 --csum blank --size 9000 \
		--dst "00:16:3e:00:$(printf %02x "$other"):00"
	echoed() { [ "$(row "$d" rx_frames)" -gt 100 ]; }
	within 20 echoed || fail 'no frames'
	"$SIMXL" destroy "$d" || fail 'destroy'
	kill -KILL "$BG"; wait "$BG" 2>/dev/null || :
	LEAKS_MEANT="${LEAKS_MEANT:+$LEAKS_MEANT|}domain $d,"
	within 10 no_link "vif$d.0" || fail 'its TAP has stayed'
	dump >"$W/dump"
	expect_json "$W/dump" "[.rows[] | select(.domid == $d and .queue != null)] |
		length == $queues and all(.state == \"retired\")"
	[ "$(row "$d" tx_frames)" -gt 100 ] || fail 'its charges are lost'
done
end "$other_pid"
expect_json "$W/other.out" '.verify.bad == 0 and .protocol_violations == 0 and .tx.error == 0'
finish
