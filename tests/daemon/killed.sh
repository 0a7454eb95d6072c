#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed again and again, stopped and started: guests notice nothing but a
# pause. Their data are compared, no request fails, no state is written in the store, and
# a guest that went meanwhile leaves nothing. Only --release gives devices back.
. "$(dirname "$0")/lib.sh"

served() { [ "$(row "$1" requests 2>/dev/null || echo 0)" -gt "$2" ]; }
host
one=$(guest one); two=$(guest two); three=$(guest three)
attach "$one" xvda "$(disk a 16M)"
attach "$two" xvda "$(disk b 16M)"
attach "$three" xvda "$(disk c 16M)"
load_bg "$W/one.out" "$one" --rw randrw --verify --depth 16 --queues 2 --flush-every 7 \
	--time 3600 --timeout 30 --json; p1=$BG
load_bg "$W/two.out" "$two" --rw randrw --verify --depth 8 --persistent --time 3600 \
	--timeout 30 --json; p2=$BG
load_bg "$W/three.out" "$three" --rw randread --time 3600 --timeout 30; p3=$BG
for d in $one $two $three; do state "$d" back 4; done
nonce=$(key "$(back "$one")/xenmeter-journal") || fail 'the connection has no name'

# leave: I/O that is still in flight after two seconds is left, and so is all else
leave() {
	LEAKS_MEANT="${LEAKS_MEANT:+$LEAKS_MEANT|}domain 0, pid $DAEMON: process ended"
	daemon_stop
}
# still DOMID: nobody has written a state
still() { expect_key "$(back "$1")/state" 4; expect_key "$(front "$1")/state" 4; }
said() { [ "$(grep -c '3 devices go on [0-9]* ms after main() began' "$LOG")" = "$1" ]; }
for round in 1 2 3 4 5 6; do
	sleep 0.2
	case $round in
	3) say 'stopped'; leave ;;
	*) daemon_kill ;;
	esac
	still "$one"; still "$two"
	# Queues go to other workers than before, of which there are more or fewer.
	daemon_start --workers $((round % 3 + 1))
	dump >"$W/dump"
	expect_json "$W/dump" "([.workers[] | select(.kind == \"worker\")] | length) == $round % 3 + 1
		and .table.life == $round + 1 and ([.workers[] | select(.kind == \"past\")] | length) == 1"
	for d in $one $two; do
		within 10 served "$d" 0 || fail "round $round: domain $d is not served"
		still "$d"
	done
	within 10 said "$round" || fail "round $round: it does not say when all devices went on"
	balanced
done
expect_key "$(back "$one")/xenmeter-journal" "$nonce"
grep -q 'a daemon that is gone' "$LOG" && fail 'a device was closed'

say 'one is destroyed meanwhile'
daemon_kill
kill -KILL $p3; wait $p3 2>/dev/null || :
"$SIMXL" destroy "$three" >/dev/null 2>&1 || :
daemon_start
within 10 served "$one" 0 || fail 'not served'
no_journal() { [ -z "$(ls "$TABLE".journal.vbd-"$three"-* 2>/dev/null)" ]; }
within 10 no_journal || fail 'its journal has stayed'

say 'another disk than before'
daemon_kill
mv "$W/b" "$W/b.old"; disk b 16M >/dev/null
daemon_start
expect_error "$two" 'not the disk that the guest was connected to'
state "$two" back 5
kill -KILL $p2; wait $p2 2>/dev/null || :
"$SIMXL" destroy "$two" >/dev/null 2>&1 || :
LEAKS_MEANT="$LEAKS_MEANT|pid $p2:|pid $p3:"

end "$p1"
expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0'

say 'given back'
load_bg "$W/hold.out" "$one" --hold 60 --timeout 5; p1=$BG
state "$one" back 4
leave
still "$one"
daemon_release
expect_key "$(back "$one")/state" 6
[ -z "$(ls "$TABLE".journal.* 2>/dev/null)" ] || fail 'journals have stayed'
within 10 gone "$p1" || fail 'the guest hangs'
finish
