#!/bin/sh
# SPDX-License-Identifier: MIT
# Fifty vifs, connected and idle: what they cost in memory and CPU.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$DAEMON/stat"; }
before=$(rss)
for g in 1 2 3 4 5; do
	d=$(guest "g$g")
	for v in 0 1 2 3 4 5 6 7 8 9; do
		"$SIMXL" vif-attach "$d" $v
		netload_bg "$W/$d.$v.out" "$d" connect --json --devid $v --hold 100
		pids="${pids:-} $BG"
	done
done
for g in 1 2 3 4 5; do
	for v in 0 1 2 3 4 5 6 7 8 9; do
		"$SIMXL" wait-state $g "vif:$v" back 4 30 || fail "vif $v of $g"
	done
done
sleep 1
all=$(rss)
t=$(ticks)
sleep 4
t=$(($(ticks) - t))
say "$(((all - before) / 50)) KiB a vif; CPU in 4 s: $((t * 1000 / $(getconf CLK_TCK))) ms"
[ "${SANITIZE:-none}" != none ] || [ $(((all - before) / 50)) -lt 1024 ] || fail 'memory'
[ $t -lt "$(getconf CLK_TCK)" ] || fail 'idle vifs keep the daemon busy'
for p in $pids; do kill -TERM "$p"; done
for p in $pids; do ended "$p"; done
finish
