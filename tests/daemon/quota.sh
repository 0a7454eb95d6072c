#!/bin/sh
# SPDX-License-Identifier: MIT
# A driver domain at xenstore's limits for a domain. A Connected that met ENOSPC was lost
# for ever, and the guest waited for it; a frontend that could not be watched (E2BIG) was
# never looked at again.
. "$(dirname "$0")/lib.sh"

"$SIMXL" up
dd=$("$SIMXL" create dd --driver-domain)
SERVED=0
"$SIMXL" run "$dd" "$XENMETERD" --table "$TABLE" --domain=off 2>>"$LOG" >&2 &
DAEMON=$!
within 20 serving || fail 'the daemon does not start'
HOME0=/local/domain/$dd
logged() { grep -q -- "$1" "$LOG"; }

say '1000 nodes'
d=$(guest one)
a=$(disk a 16M); b=$(disk b 16M)
attach "$d" xvda "$a" --backend "$dd"
within 10 is "$(back "$d")/state" 2 || fail 'not at InitWait'
# fill FIRST LAST: one write, all or nothing
fill() {
	local keys='' n=$1
	while [ "$n" -le "$2" ]; do keys="$keys data/fill/$((n / 100))/$n x"; n=$((n + 1)); done
	# shellcheck disable=SC2086
	"$SIMXL" run "$dd" xenstore-write $keys 2>/dev/null
}
n=0
for step in 100 10 1; do
	while fill $((n + 1)) $((n + step)); do n=$((n + step)); done
done
say "$n of them for nothing"
load_bg "$W/one.out" "$d" --rw read --number 50 --bs 4k --timeout 30
within 10 logged 'cannot write its state to xenstore: No space left' || fail 'there was space'
expect_key "$(back "$d")/state" 2
# Another disk is looked at where nobody is connected; the store's InitWait is old. The disk
# was closed while workers used it.
xenstore-write "$(back "$d")/physical-device-path" "$b" "$(front "$d")/state" 1
sleep 1.5
open_files() { find "/proc/$DAEMON/fd" -lname "$1" | wc -l; }
[ "$(open_files "$a")" != 0 ] || fail 'the disk of a connected guest was closed'
[ "$(open_files "$b")" = 0 ] || fail 'a connected guest has another disk'
xenstore-write "$(back "$d")/physical-device-path" "$a" "$(front "$d")/state" 3
"$SIMXL" run "$dd" xenstore-rm data/fill
ended "$BG"
expect_row "$d" requests 50
within 10 logged 'its state is in xenstore again' || fail 'not said'
[ "$(grep -c 'cannot write its state' "$LOG")" = 1 ] || fail 'said again and again'
[ "$(grep -c 'connected: 1 queue' "$LOG")" = 1 ] || fail 'connected more than once'
"$SIMXL" block-detach "$d" xvda

say '128 watches'
paths=; n=0
while [ $n -lt 128 ]; do paths="$paths data/$n"; n=$((n + 1)); done
watching() { [ "$(wc -l <"$W/watched")" -ge "$1" ]; }
n=128; watcher=
while [ $n -gt 0 ]; do
	# As many as there are: xenstore-watch gives up at the first that is refused.
	# shellcheck disable=SC2086
	"$SIMXL" run "$dd" xenstore-watch $paths >"$W/watched" 2>/dev/null & watcher=$!
	PIDS="$PIDS $watcher"
	within 2 watching $n && break
	kill "$watcher" 2>/dev/null || :; wait "$watcher" 2>/dev/null || :
	n=$((n - 1)); paths=${paths% *}
done
say "$n of them for nothing"
attach "$d" xvda null:16M --backend "$dd"
within 10 logged 'cannot watch its state' || fail 'it could be watched'
load "$d" --rw read --number 50 --bs 4k --timeout 20 >/dev/null
expect_row "$d" requests 100
kill "$watcher"; wait "$watcher" 2>/dev/null || :
"$SIMXL" block-detach "$d" xvda
finish
