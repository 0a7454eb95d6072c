#!/bin/sh
# SPDX-License-Identifier: MIT
# xenstored dies: the daemon says so once, in so many words, and serves the connected rings
# on; nobody is taken for dead because nothing can be read. It ended with "lost xenstore",
# if it noticed at all.
. "$(dirname "$0")/lib.sh"

said() { grep -q 'xenstored is gone: connected guests are served on' "$LOG"; }
more() { [ "$(row "$1" requests)" -gt "$2" ]; }

host --workers 2
a=$(guest one); b=$(guest two)
attach "$a" xvda "$(disk a 16M)"; attach "$b" xvda "$(disk b 16M)"
load_bg "$W/a.out" "$a" --rw randrw --depth 4 --time 300; load_a=$BG
load_bg "$W/b.out" "$b" --rw randrw --depth 4 --time 300 --queues 2
within 10 more "$a" 100 && within 10 more "$b" 100 || fail 'no requests'
# The daemon's last requests get no answer: something of each device changes all the time.
storm() {
	local keys='' n=0
	while [ $n -lt 20 ]; do
		keys="$keys $(back "$a")/x 1 $(front "$a")/state 4 $(back "$b")/x 1 $(front "$b")/state 4"
		n=$((n + 1))
	done
	# shellcheck disable=SC2086
	while xenstore-write $keys; do :; done
}
storm 2>/dev/null & PIDS="$PIDS $!"
storm 2>/dev/null & PIDS="$PIDS $!"
sleep 0.3
"$SIMXL" fault store
within 10 said || fail 'not said'
na=$(row "$a" requests); nb=$(row "$b" requests)
within 10 more "$a" $((na + 1000)) && within 10 more "$b" $((nb + 1000)) ||
	fail 'not served on'

say 'and a guest that breaks its ring or dies is nobody else'"'"'s trouble'
kill -KILL "$load_a"; wait "$load_a" 2>/dev/null || :
nb=$(row "$b" requests)
within 10 more "$b" $((nb + 1000)) || fail 'not served on'
[ "$(grep -c 'xenstored is gone' "$LOG")" = 1 ] || fail 'said more than once'
# What was under way when it died may have a line of its own.
[ "$(grep -c 'xenstore' "$LOG")" -le 2 ] || { cat "$LOG"; fail 'too much is said'; }
! grep -Eq 'closed|reconnect' "$LOG" || fail 'a device was closed'
dump >"$W/dump"
expect_json "$W/dump" '[.rows[] | select(.queue != null) | .counters.errors] | add == 0'
kill -KILL "$BG"; wait "$BG" 2>/dev/null || :
LEAKS_MEANT="domain ($a|$b),"
finish
