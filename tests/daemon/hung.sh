#!/bin/sh
# SPDX-License-Identifier: MIT
# While a guest's storage hangs the daemon can be stopped, and killed, and a successor serves
# all others: those that it takes up again and those that connect anew. The guest that
# hangs goes on when its storage does. Argument: what hangs: `filesystem` (frozen),
# `device` (suspended) or `helper` (stopped).
. "$(dirname "$0")/lib.sh"

what=$1
. "$(dirname "$0")/hang.sh"
hang_prepare "$what" 1 || skip "$hang_why"
trap hang_cleanup EXIT

host
for n in 1 2 3; do guest g$n >/dev/null; done
attach 1 xvda "$hang_target"
attach 2 xvda "$(disk b 16M)"
load_bg "$W/1.out" 1 --rw randrw --verify --depth 8 --time 300 --flush-every 3 --json; one=$BG
load_bg "$W/2.out" 2 --rw randrw --verify --depth 8 --time 300 --flush-every 7 --json; two=$BG
moves() { [ "$(row "$1" flush_requests)" -gt "${2:-0}" ]; }
within 20 moves 1 && within 20 moves 2 && helper 1 >/dev/null || fail 'no flushes'
hang

# Guest 2 goes on, and guest 3 connects anew.
served() {
	within 20 moves 2 "$(row 2 flush_requests)" || fail 'guest 2 is not served'
	attach 3 xvda "$(disk c 16M)"
	load 3 --rw randwrite --depth 8 --number 200 --flush-every 2 >/dev/null
	"$SIMXL" block-detach 3 xvda
}
say "the $what hangs"
served
if [ "$what" = helper ]; then
	say 'a disk that its helper does not open: its own device waits'
	attach 1 xvdb "$(disk d 16M)"
	within 20 grep -q '1/51728 .*waits for its storage helper to open' "$LOG" || fail 'it does not say so'
	served
fi
say 'the daemon is stopped'
LEAKS_MEANT="pid $DAEMON:" # what hangs, it leaves to its journal
daemon_stop
daemon_start
served
say 'it is killed'
daemon_kill
daemon_start
served
end $two
expect_json "$W/2.out" '.verify.errors == 0 and .errors.error == 0'
kill -0 $one || fail 'guest 1 has ended'
say 'it hangs no more'
resume
within 20 moves 1 "$(row 1 flush_requests)" || fail 'guest 1 does not go on'
end $one
expect_json "$W/1.out" '.verify.errors == 0 and .errors.error == 0'
[ "$what" != helper ] || load 1 --devid xvdb --rw randwrite --number 100 >/dev/null
for d in 1 2; do "$SIMXL" block-detach $d xvda; done
hang_remove
trap cleanup EXIT
finish
