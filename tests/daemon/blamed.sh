#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon dies of a fault while it works for one device. The third time, that device is
# closed alone, and the reason stands in its `error`; a guest that connects it again waits.
# All others go on. Who kills it from outside, or a fault of no queue's, blames nobody.
. "$(dirname "$0")/lib.sh"

ulimit -c 0
host
one=$(guest one); two=$(guest two)
attach "$one" xvda null:16M
attach "$one" xvdb "$(disk b 16M)"
attach "$two" xvda "$(disk c 16M)"
calm='--rw randrw --verify --depth 2 --rate 40 --time 600 --timeout 60 --json'
# shellcheck disable=SC2086
load_bg "$W/b.out" "$one" --devid xvdb $calm; p1=$BG
# shellcheck disable=SC2086
load_bg "$W/c.out" "$two" $calm; p2=$BG
load_bg "$W/a.out" "$one" --rw randread --depth 32 --queues 2 --time 600 --timeout 3; victim=$BG
state "$one" back 4; state "$one" back 4 51728; state "$two" back 4

on() { "$STRIKE" "$DAEMON" "$1" || fail "no thread $1"; }
# died COMMAND...: the daemon dies by that and is started again
died() {
	n=$(count 'goes on where')
	"$@"
	wait "$DAEMON" 2>/dev/null || :
	LEAKS_MEANT="${LEAKS_MEANT:+$LEAKS_MEANT|}pid $DAEMON:"
	daemon_start
}
count() { grep -c "$1" "$LOG" || :; }
resumed() { [ "$(count 'goes on where')" -ge $((n + $1)) ]; }

say 'killed from outside'
for i in 1 2 3 4 5; do
	died kill -KILL "$DAEMON"
	within 30 resumed 3 || fail "kill $i: not all go on"
done
say 'a fault of no queue'
for i in 1 2 3; do
	died on xenmeterd
	within 30 resumed 3 || fail "fault $i: not all go on"
done
[ "$(count 'has died of it')" = 0 ] || fail 'somebody is blamed'

say 'a fault while the device is at work'
strikes=0
closed() { key "$(back "$one")/state" | grep -qx 5; }
decided() { closed || resumed 3; }
until closed; do
	strikes=$((strikes + 1))
	[ $strikes -le 60 ] || fail 'the fault never came at work'
	died on worker-0
	within 30 decided || fail 'not all go on'
done
say "$strikes faults, 3 of them at work"
expect_error "$one" 'the daemon has died of it 3 times within 10 minutes'
grep 'has died of it' "$LOG" | grep -v "vbd/$one/51712" && fail 'another is blamed'
within 30 resumed 2 || fail 'the others do not go on'
ended "$victim" 1

say 'it may not come back at once'
"$SIMXL" run "$one" "$BLKLOAD" --hold 1 --timeout 4 >"$W/again" 2>&1 && fail 'it is served'
within 10 grep -q 'waits for the end of the 10 minutes' "$LOG" || fail 'nothing is said'
end "$p1"; end "$p2"
for g in b c; do
	expect_json "$W/$g.out" '.verify.errors == 0 and .errors.error == 0'
done
finish
