#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest breaks its ring again and again, taken away and attached anew each time: memory
# and descriptors stay, the log is bounded (XSA 39, 43).
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }
n=0
while [ $n -lt 25 ]; do
	n=$((n + 1))
	offend jump $((33 + n * 1000)) busy
	"$SIMXL" block-detach 1 xvda
	[ $n != 5 ] || { rss0=$(rss); fds0=$(fds); }
	[ $n = 25 ] || attach 1 xvda "$W/a"
done
say "RSS $rss0 KiB after 5, $(rss) KiB after 25"
fds_back "$fds0"
[ "${SANITIZE:-none}" != none ] || [ "$(rss)" -le $((rss0 + 300)) ] || fail 'memory leaks'
expect_row 1 rings_broken 25
[ "$(grep -c offender "$LOG")" -le 200 ] || fail 'the log is flooded'
undisturbed
finish
