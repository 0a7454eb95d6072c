#!/bin/sh
# SPDX-License-Identifier: MIT
# TCP behind a VLAN tag: its long segments have no GSO extra on the ring, so that the host
# cuts those for the guest, and the guest's kernel its own.
. "$(dirname "$0")/netlib.sh"

need curl curl
need busybox busybox-static
net_host
ip link add link "$BRIDGE" name xenbr0.5 type vlan id 5 2>"$W/vlan" ||
	skip "no VLANs here: $(cat "$W/vlan")"
net_guest one
ip addr add 10.78.0.254/24 dev xenbr0.5
ip link set xenbr0.5 up
in_guest "$D" ip link add link xen0 name xen0.5 type vlan id 5
in_guest "$D" ip addr add 10.78.0.1/24 dev xen0.5
in_guest "$D" ip link set xen0.5 up

head -c 10000000 /dev/urandom >"$W/file"
busybox httpd -f -p 80 -h "$W" &
PIDS="$PIDS $!"
in_guest_bg "$D" busybox httpd -f -p 80 -h "$W"
# fetch HOST [COMMAND...]
fetch() {
	local host=$1; shift
	"$@" curl -sS --retry 20 --retry-connrefused --retry-delay 1 -m 60 \
		-o "$W/copy" "http://$host/file" || fail "nothing from $host"
	cmp "$W/file" "$W/copy" || fail "$host: not the same"
}
say 'host to guest'
fetch 10.78.0.254 in_guest "$D"
say 'guest to host'
fetch 10.78.0.1
net_down "$D"
clean "$D"
finish
