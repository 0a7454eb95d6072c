#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that wants room in front of a frame for XDP gets each frame behind so many bytes,
# also when that takes one slot more.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
one=$(guest one); two=$(guest two)
vif_attach "$one"; vif_attach "$two"
to=00:16:3e:00:$(printf %02x "$two"):00
for headroom in 0 256 4096 32767; do
	netload_bg "$W/two.out" "$two" sink --json --poison --time 300 --xdp-headroom $headroom
	sink=$BG
	netload_ready "$two"
	before=$(row "$two" rx_frames)
	netload_send "$W/one.out" "$one" -n 100 --rate 4000 --size 1514 --dst "$to"
	all() { [ $(($(row "$two" rx_frames) - before)) -ge 100 ]; }
	within 5 all || fail "headroom $headroom: the frames do not come"
	end "$sink"
	expect_json "$W/two.out" '.verify.good == 100 and .verify.bad == 0'
done
netload_bg "$W/two.out" "$two" sink --json --poison --time 300 --xdp-headroom 256
sink=$BG
netload_ready "$two"
before=$(row "$two" rx_frames)
netload_send "$W/one.out" "$one" -n 100 --rate 4000 --tcp --gso 1400 --csum blank --size 60000 \
	--dst "$to"
within 5 all || fail 'long segments with headroom do not come'
end "$sink"
expect_json "$W/two.out" '.verify.good == 100 and .verify.bad == 0 and .rx.gso == 100'
finish
