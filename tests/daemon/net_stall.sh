#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that gives no room to receive: what comes for it is dropped after ten seconds
# and counted, the daemon's memory does not grow, its neighbour is served meanwhile; when
# it gives room again, frames come. With the argument `carrier` it waits for the minute
# after which the vif has no carrier; the carrier of another guest, which stood still for
# that minute and goes on, comes back by itself.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
deaf=$(guest deaf); other=$(guest other); sender=$(guest sender); still=$(guest still)
mac() { echo "00:16:3e:00:$(printf %02x "$1"):00"; }
for d in "$deaf" "$other" "$sender" "$still"; do
	vif_attach "$d"
	# A bridge sends what is for an address unknown to it to all.
	bridge fdb replace "$(mac "$d")" dev "vif$d.0" master static
done
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }
# send DOMID NUMBER
send() {
	netload_send "$W/sender.out" "$sender" -n "$2" --rate 5000 --size 1500 --dst "$(mac "$1")"
}
netload_bg "$W/deaf.out" "$deaf" sink --json --rx-slots 8 --no-refill --time 200
deaf_pid=$BG
netload_bg "$W/other.out" "$other" sink --json --time 200
other_pid=$BG
netload_ready "$deaf"
netload_ready "$other"

before=$(rss)
send "$deaf" 5000
got=$(row "$deaf" rx_frames)
[ "$got" = 8 ] || fail "it has 8 slots, and got $got frames"
send "$other" 2000
others() { [ "$(row "$other" rx_frames)" = 2000 ]; }
within 5 others || fail "its neighbour got $(row "$other" rx_frames) of 2000 frames"
grown=$(($(rss) - before))
say "the daemon has grown by $grown KiB"
[ "${SANITIZE:-none}" != none ] || [ $grown -lt 8192 ] || fail 'that is too much'
dropped() { [ "$(row "$deaf" rx_dropped_full)" -ge 32 ]; }
within 20 dropped || fail "$(row "$deaf" rx_dropped_full) were dropped"
kernels() { [ "$(row "$deaf" rx_dropped_tap)" -gt 3000 ]; }
within 5 kernels || fail "of those that the kernel dropped, $(row "$deaf" rx_dropped_tap)"

carrier() { cat "/sys/class/net/vif$1.0/carrier"; }
[ "$(carrier "$deaf")" = 1 ] || fail 'no carrier, so soon'
if [ "${1:-}" = carrier ]; then
	netload_bg "$W/still.out" "$still" sink --json --rx-slots 8 --time 200
	still_pid=$BG
	netload_ready "$still"
	kill -STOP "$still_pid"
	send "$still" 5000
	off() { [ "$(carrier "$deaf")$(carrier "$still")" = 00 ]; }
	within 90 off || fail 'they have a carrier after a minute'
	grep -q 'does not receive: carrier off' "$LOG" || fail 'nothing is said'

	say 'a guest that stood still goes on'
	kill -CONT "$still_pid"
	on() { [ "$(carrier "$still")" = 1 ]; }
	within 10 on || fail 'its carrier does not come back'
	within 10 forwards "$still" 0 || fail 'the bridge does not forward for it'
	frames=$(row "$still" rx_frames)
	send "$still" 500
	on_again() { [ $(($(row "$still" rx_frames) - frames)) -ge 500 ]; }
	within 10 on_again || fail 'no frames'
	end "$still_pid"
fi
end "$deaf_pid"
expect_json "$W/deaf.out" '.rx.frames == 8 and .protocol_violations == 0'

say 'it receives again'
bytes=$(row "$deaf" rx_bytes)
netload_bg "$W/deaf.out" "$deaf" sink --json --time 200
deaf_pid=$BG
netload_ready "$deaf"
[ "$(carrier "$deaf")" = 1 ] || fail 'no carrier'
send "$deaf" 500
again() { [ $(($(row "$deaf" rx_bytes) - bytes)) -ge $((400 * 1500)) ]; }
within 10 again || fail 'no frames'
end "$deaf_pid"; end "$other_pid"
expect_json "$W/deaf.out" '.rx.frames >= 500 and .verify.bad == 0'
expect_json "$W/other.out" '.rx.frames == 2000 and .verify.bad == 0 and .verify.lost == 0'
finish
