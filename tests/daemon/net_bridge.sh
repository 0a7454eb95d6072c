#!/bin/sh
# SPDX-License-Identifier: MIT
# Guests in namespaces of their own reach each other and the driver domain; their bridges
# end in good order and have seen no violation.
. "$(dirname "$0")/netlib.sh"

need ping iputils-ping
net_host
net_guest one; a=$D
net_guest two --queues 2; b=$D
[ "$(in_guest "$a" cat /sys/class/net/xen0/address)" = 00:16:3e:00:0"$a":00 ] ||
	fail 'xen0 has another address than the vif'
for to in "$HOST4" "$HOST6" "10.77.0.$b" "fd77::$b"; do
	in_guest "$a" ping -q -c 5 -i 0.05 -W 5 "$to" >"$W/ping" ||
		{ cat "$W/ping"; fail "ping $to"; }
	grep -q ' 0% packet loss' "$W/ping" || { cat "$W/ping"; fail "loss to $to"; }
done
net_down "$a"; net_down "$b"
clean "$a"; clean "$b"
expect_json "$W/xm$b.out" '.negotiated.queues == 2 and .tap.to_vif >= 10 and .tap.to_tap >= 10'
finish
