#!/bin/sh
# SPDX-License-Identifier: MIT
# Ping between guest, host and guest, over IPv4 and IPv6: in one slot, in a frame of the
# MTU, in fragments. Argument: how many queues.
. "$(dirname "$0")/netlib.sh"

need ping iputils-ping
net_host
net_guest one --queues "$1"; one=$D
net_guest two --queues "$1"; two=$D

# answered SIZE ADDRESS [FROM-DOMID]: none of five is lost, in one of three tries: a busy
# machine drops fragments
answered() {
	say "$1 bytes from ${3:-the host} to $2"
	for try in 1 2 3; do
		${3:+in_guest "$3"} ping -q -n -c 5 -i 0.02 -W 10 -s "$1" "$2" >"$W/ping" 2>&1 ||
			{ cat "$W/ping"; fail 'no answer'; }
		! grep -q ' 5 received, 0%' "$W/ping" || return 0
		say "try $try: not all answered"
	done
	cat "$W/ping"
	fail 'not all answered'
}
for size in 0 56 1472 8972 60000; do
	answered $size "$HOST4" "$one"
	answered $size "$HOST6" "$one"
	answered $size "10.77.0.$two" "$one"
	answered $size "fd77::$two" "$one"
	answered $size "10.77.0.$two"
	answered $size "fd77::$one"
done
for d in "$one" "$two"; do net_down "$d"; clean "$d"; done
finish
