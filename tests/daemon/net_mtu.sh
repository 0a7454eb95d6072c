#!/bin/sh
# SPDX-License-Identifier: MIT
# The `mtu` of the toolstack is the TAP's before the script looks at it, and frames of that
# length go both ways; one that Linux does not take is said, and no more.
. "$(dirname "$0")/netlib.sh"

need ping iputils-ping
net_host
d=$(guest one)
vif_attach "$d" 0 --set mtu=9000
mtu() { ip -j link show dev "$1" | jq -r '.[0].mtu'; }
[ "$(mtu "vif$d.0")" = 9000 ] || fail "the TAP's mtu is $(mtu "vif$d.0")"
net_up "$d"
ip link set "$BRIDGE" mtu 9000
in_guest "$d" ip link set xen0 mtu 9000
jumbo() {
	in_guest "$d" ping -q -M do -c 5 -i 0.02 -W 10 -s 8972 "$HOST4" >"$W/ping" 2>&1 || :
	grep -q ' 5 received' "$W/ping" || { cat "$W/ping"; fail "no jumbo frames $1"; }
}
jumbo ''
net_killed "$d"
[ "$(mtu "vif$d.0")" = 9000 ] || fail "the TAP's mtu is $(mtu "vif$d.0") after a kill"
jumbo 'after a kill'
net_down "$d"
clean "$d"

say 'one that Linux does not take'
o=$(guest other)
vif_attach "$o" 0 --set mtu=20
within 10 grep -q 'cannot set the mtu' "$LOG" || fail 'nothing is said'
netload "$o" generate --json -n 10 >/dev/null || fail "it does not work"
finish
