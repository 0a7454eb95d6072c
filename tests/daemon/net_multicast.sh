#!/bin/sh
# SPDX-License-Identifier: MIT
# The multicast filter: only groups that the guest asked for come through; what does not is
# counted and costs the guest no slot. It can be turned on and off while connected.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
one=$(guest one); two=$(guest two)
vif_attach "$one"; vif_attach "$two"
netload_bg "$W/two.out" "$two" sink --json --multicast-control --time 300 \
	--multicast-add 01:00:5e:00:00:09 --multicast-add 33:33:00:00:00:09
sink=$BG
netload_ready "$two"
added() { [ "$(row "$two" control_requests)" = 2 ]; }
within 10 added || fail 'no filter was set'

passed=0 filtered=0
counted() { [ "$(row "$two" rx_frames)" = $passed ] && [ "$(row "$two" rx_filtered)" = $filtered ]; }
# send NUMBER MAC
send() { netload_send "$W/one.out" "$one" -n "$1" --rate 2000 --dst "$2"; }
pass() { send "$@"; passed=$((passed + $1)); }
stop() { send "$@"; filtered=$((filtered + $1)); }
expect_counted() {
	within 10 counted || fail "$1: $(row "$two" rx_frames) came and $(row "$two" rx_filtered) \
were filtered, not $passed and $filtered"
}
pass 10 01:00:5e:00:00:09
pass 11 33:33:00:00:00:09
stop 12 33:33:00:00:00:08
stop 13 01:00:5e:00:00:01
pass 14 ff:ff:ff:ff:ff:ff
pass 15 00:16:3e:00:00:00 # not multicast, and to all ports of the bridge
expect_counted 'filtering'

say 'off, while connected'
"$SIMXL" run "$two" xenstore-write "/local/domain/$two/device/vif/0/request-multicast-control" 0
off() { send 1 01:00:5e:00:00:77; [ "$(row "$two" rx_frames)" -gt $passed ]; }
within 10 off || fail 'it filters still'
passed=$(row "$two" rx_frames) filtered=$(row "$two" rx_filtered)
pass 20 01:00:5e:00:00:78
expect_counted 'off'

say 'on again: what the guest asked for holds'
"$SIMXL" run "$two" xenstore-write "/local/domain/$two/device/vif/0/request-multicast-control" 1
on() { send 1 01:00:5e:00:00:77; [ "$(row "$two" rx_filtered)" -gt $filtered ]; }
within 10 on || fail 'it filters no more'
passed=$(row "$two" rx_frames) filtered=$(row "$two" rx_filtered)
pass 21 33:33:00:00:00:09
stop 22 33:33:00:00:00:08
expect_counted 'on'

say 'the next daemon knows it, too'
net_killed "$two"
pass 23 01:00:5e:00:00:09
stop 24 33:33:00:00:00:08
expect_counted 'after a kill'
end "$sink"
expect_json "$W/two.out" ".rx.frames == $passed and .multicast.okay == 2 and
	.verify.bad == 0"
finish
