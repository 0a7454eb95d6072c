#!/bin/sh
# SPDX-License-Identifier: MIT
# What may block is done by a process for each guest, which has less than 1 MiB of its own:
# the daemon has no thread of the kernel's for it; a helper that hangs stops its guest and
# nobody else; what was out is done again when it has died, and data are right; a daemon
# that is killed meanwhile can be followed at once; no helper is left behind.
. "$(dirname "$0")/lib.sh"

# A process that stands still would be left behind by a test that fails.
hung=
trap 'code=$?; set +e; [ -z "$hung" ] || kill -CONT "$hung" 2>/dev/null; (exit $code); cleanup' EXIT

host
for n in 1 2 3; do guest g$n >/dev/null; done
attach 1 xvda "$(disk a 16M)" --set cache=writeback
attach 2 xvda "$(disk b 16M)"
attach 3 xvda "$(disk c 16M)"

say 'the page cache, holes, flushes and discards: no thread of the kernel'"'s"
kernel_threads() { grep -l '^iou-wrk' "/proc/$DAEMON/task"/*/comm 2>/dev/null; }
# own DOMID: memory of its helper's alone, KiB; the lanes' is the guest's
own() {
	awk '/^[0-9a-f]+-/ { lane = /xenmeter-lane/ } !lane && /^Private_Dirty/ { kib += $2 }
		END { print kib + 0 }' "/proc/$(helper "$1")/smaps"
}
own_most=0
note_own() {
	local kib
	kib=$(own "$1" 2>/dev/null) || return 0 # it has not come yet
	[ "$kib" -le $own_most ] || own_most=$kib
}
for d in 1 2; do
	load_bg "$W/$d.out" $d --rw randrw --verify --depth 16 --number 3000 --flush-every 5 \
		--discard-every 17 --json
	while kill -0 "$BG" 2>/dev/null; do ! kernel_threads || fail 'there is one'; note_own $d; sleep 0.05; done
	ended "$BG"
	expect_json "$W/$d.out" '.verify.errors == 0 and .errors.error == 0'
	[ "$(row $d offload_cycles)" -gt 0 ] || fail "guest $d has no helper"
done
say "helpers had $own_most KiB of their own at the most"
[ $own_most -gt 0 ] || fail 'a helper without memory'
[ "${SANITIZE:-none}" != none ] || [ $own_most -lt 1024 ] || fail 'that is too much'

say 'a helper hangs: only its guest waits'
attach 1 xvdb "$(disk d 16M)"
load_bg "$W/hold.out" 1 --devid xvdb --hold 60; hold=$BG
within 10 helper 1 || fail 'no helper'
load_bg "$W/1.out" 1 --rw randrw --verify --depth 16 --time 60 --flush-every 5 --json; one=$BG
state 1 back 4
hung=$(helper 1)
kill -STOP "$hung"
load 2 --rw randwrite --depth 8 --number 500 --flush-every 2 >/dev/null
kill -0 $one || fail 'guest 1 went on without its helper'

say 'it dies: another one does again what was under way'
kill -KILL "$hung"
other() { helper 1 && [ "$(helper 1)" != "$hung" ]; }
within 10 other || fail 'there is no other'
kill -KILL "$(helper 1)" # perhaps in the middle of something
before=$(row 1 flush_requests)
goes_on() { [ "$(row 1 flush_requests)" -gt $((before + 32)) ]; }
within 20 goes_on || fail 'guest 1 does not go on'
end $one
expect_json "$W/1.out" '.verify.errors == 0 and .errors.error == 0'
grep -q 'domain 1: its storage helper has ended' "$LOG" || fail 'the log does not say so'
end $hold

say 'it hangs, and the daemon is killed: the next one serves'
load_bg "$W/1.out" 1 --rw randwrite --depth 16 --time 60 --flush-every 5
within 10 helper 1 || fail 'no helper'
hung=$(helper 1)
kill -STOP "$hung"
launcher=$(pgrep -P "$DAEMON")
daemon_kill
kill -KILL "$BG"; wait "$BG" 2>/dev/null || :
LEAKS_MEANT="$LEAKS_MEANT|domain 1,"
within 10 gone "$launcher" || fail 'the launcher has not ended'
daemon_start
load 3 --rw randwrite --depth 8 --number 500 --flush-every 2 >/dev/null
kill -0 "$hung" || fail 'it was waited for'
kill -CONT "$hung"
within 10 gone "$hung" || fail 'it does not end with its daemon'

say 'fifty times'
launcher=$(pgrep -P "$DAEMON")
load 3 --cycles 50 --connect-only >/dev/null
no_lanes() { [ "$(find "/proc/$DAEMON/fd" -lname '*xenmeter-lane*' | wc -l)" = 0 ]; }
within 10 no_lanes || fail 'a lane is left'
"$SIMXL" block-detach 3 xvda
"$SIMXL" destroy 3
none() { ! pgrep -P "$launcher"; }
for d in 1 2; do "$SIMXL" destroy $d || :; done
within 10 none || { ps -ef | grep storage; fail 'a helper is left'; }
finish
