#!/bin/sh
# SPDX-License-Identifier: MIT
# Long TCP segments behind a VLAN tag reach the daemon whole, since the kernel cuts only
# what an untagged frame would need. All pieces of all of them arrive, however many they
# are: nine tenths were once lost, and a frame in more than 123 pieces always.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
one=$(guest one)
vif_attach "$one"
mac=00:16:3e:00:$(printf %02x "$one"):00
bridge fdb replace "$mac" dev "vif$one.0" master static
netload_bg "$W/one.out" "$one" sink --json --time 300
sink=$BG
netload_ready "$one"
# pieces NUMBER PAYLOAD MSS: so many segments, each in as many pieces as it needs
pieces() {
	local before expected
	before=$(row "$one" rx_frames)
	expected=$(($1 * (($2 + $3 - 1) / $3)))
	"$TAGGED" "$BRIDGE" "$mac" "$1" "$2" "$3" || fail 'cannot send'
	all() { [ $(($(row "$one" rx_frames) - before)) -ge $expected ]; }
	within 10 all || fail "of $expected pieces of $3 bytes $(($(row "$one" rx_frames) - before)) came"
	say "$1 segments of $2 bytes: $expected pieces of $3"
}
whole=$(row "$one" rx_frames)
pieces 20 65000 1448
pieces 1 65000 524
pieces 1 65000 100
expect_row "$one" rx_frames $((whole + 20 * 45 + 125 + 650))
for why in grant size full tap; do expect_row "$one" "rx_dropped_$why" 0; done
end "$sink"
expect_json "$W/one.out" '.protocol_violations == 0 and .rx.gso == 0 and .verify.csum_bad == 0'
finish
