#!/bin/sh
# SPDX-License-Identifier: MIT
# While nobody serves, a guest's ring becomes another: its references, its event channel or
# its name are not those of the journal. Such a device is closed, and its error says why;
# one whose keys are as they were goes on.
. "$(dirname "$0")/lib.sh"

host
n=0 guests='' pids=''
# holds OPTION...: a guest that stays connected; sets D
holds() {
	n=$((n + 1))
	D=$(guest "g$n")
	attach "$D" xvda "$(disk "d$n" 16M)"
	load_bg "$W/$n.out" "$D" --hold 100 --timeout 3 "$@"
	guests="$guests $D" pids="$pids $BG"
}
holds; ref=$D
holds; port=$D
holds --queues 2; second=$D
holds --ring-order 1; pages=$D
holds; absent=$D
holds; name=$D
holds; left=$D
same=$(guest same)
attach "$same" xvda "$(disk same 16M)"
load_bg "$W/same.out" "$same" --rw randrw --verify --depth 4 --queues 2 --time 100 \
	--timeout 30 --json; p=$BG
for d in $guests $same; do state "$d" back 4; done

daemon_kill
# write DOMID KEY VALUE: as that guest
write() { "$SIMXL" run "$1" xenstore-write "$(front "$1")/$2" "$3" || fail "write $2"; }
write "$ref" ring-ref 77777
write "$port" event-channel 77
write "$second" queue-1/ring-ref 77777
write "$pages" ring-ref0 77777
"$SIMXL" run "$absent" xenstore-rm "$(front "$absent")/event-channel"
xenstore-write "$(back "$name")/xenmeter-journal" 12345
write "$left" state 6
daemon_start
for d in $ref $port $pages $absent; do
	expect_error "$d" 'ring or event channel of queue 0 is not the one'
done
expect_error "$second" 'ring or event channel of queue 1 is not the one'
within 10 grep -q "vbd/$name/51712 .*a daemon that is gone" "$LOG" || fail 'another name'
state "$left" back 6
going() { [ "$(row "$same" requests)" -gt 0 ]; }
within 10 going || fail 'the neighbour is not served'
expect_key "$(back "$same")/state" 4
end "$p"
expect_json "$W/same.out" '.verify.errors == 0 and .errors.error == 0'
for p in $pids; do
	kill -KILL "$p" 2>/dev/null || :
	wait "$p" 2>/dev/null || :
	LEAKS_MEANT="$LEAKS_MEANT|pid $p:"
done
for d in $guests; do "$SIMXL" destroy "$d" >/dev/null 2>&1 || :; done
finish
