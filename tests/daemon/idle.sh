#!/bin/sh
# SPDX-License-Identifier: MIT
# Two hundred devices, connected and idle: what they cost in memory and CPU.
. "$(dirname "$0")/lib.sh"

host
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$DAEMON/stat"; }
cpu_ns() { dump | jq '[.workers[].counters.cpu_ns] | add'; }
# Fifty to a guest: xenstored lets a guest have 1000 nodes.
for d in 1 2 3 4; do
	guest g$d >/dev/null
	n=1000
	while [ $n -lt 1050 ]; do
		attach $d $n null:16M
		n=$((n + 1))
	done
done
state 4 back 2 1049
before=$(rss)
for d in 1 2 3 4; do
	load_bg "$W/$d.out" $d --devid 1000-1049 --hold 300
	guests="${guests:-} $BG"
done
for d in 1 2 3 4; do
	within 20 is "$(back $d 1049)/state" 4 || { cat "$W/$d.out"; fail 'not all connected'; }
done
sleep 1
all=$(rss)
t=$(ticks); c=$(cpu_ns)
sleep 5
t=$(($(ticks) - t)); c=$(($(cpu_ns) - c))
say "$(((all - before) / 200)) KiB a device ($before KiB before, $all KiB after)"
say "CPU in 5 s: $((t * 1000 / $(getconf CLK_TCK))) ms, of which workers $((c / 1000000)) ms"
[ "${SANITIZE:-none}" != none ] || [ $(((all - before) / 200)) -lt 2048 ] || fail 'memory'
[ $t -lt $((2 * $(getconf CLK_TCK))) ] || fail 'idle devices keep the daemon busy'
for p in $guests; do end "$p"; done
for d in 1 2 3 4; do expect_json "$W/$d.out" '.connected == 50'; done
finish
