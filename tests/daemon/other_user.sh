#!/bin/sh
# SPDX-License-Identifier: MIT
# As another user: the daemon serves disks of root, found after it has dropped its rights,
# of which one is left to each thread, and another one to the process that opens a guest's disks;
# members of the group read the table, nobody else does.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip 'only root has rights to drop'
need setpriv util-linux
host_for nobody --workers 2
# field FILE NAME
field() { sed -n "s/^$2:[[:space:]]*//p" "$1"; }
kept=$((1 << 12)) # CAP_NET_ADMIN

# has_dropped STATUS-FILE: of a thread
has_dropped() {
	local name; name=$(field "$1" Name)
	[ "$(field "$1" Uid | cut -f 1)" = 65534 ] || fail "$name: its user is $(field "$1" Uid)"
	[ "$(field "$1" Groups)" = '' ] || fail "$name: it has groups: $(field "$1" Groups)"
	[ "$(field "$1" NoNewPrivs)" = 1 ] || fail "$name: it may gain rights"
	for set in CapEff CapPrm; do
		[ $((0x$(field "$1" $set) & ~kept)) = 0 ] ||
			fail "$name: $set is $(field "$1" $set)"
	done
	for set in CapBnd CapInh CapAmb; do
		[ $((0x$(field "$1" $set))) = 0 ] || fail "$name: $set is $(field "$1" $set)"
	done
	[ "${SANITIZE:-none}" != none ] || [ "$(field "$1" Seccomp)" = 2 ] ||
		fail "$name: there is no filter"
}

one=$(guest one)
attach "$one" xvda "$(disk a 16M)"
chmod 600 "$W/a"
load "$one" --rw randrw --verify --depth 4 --number 500 --flush-every 3 --json >"$W/one.out"
for task in "/proc/$DAEMON/task"/*; do
	has_dropped "$task/status"
	field "$task/status" Name
done >"$W/threads"
say "threads: $(tr '\n' ' ' <"$W/threads")"
for name in worker-0 worker-1; do
	grep -q "^$name" "$W/threads" || fail "no thread is called $name"
done
[ "$(grep -vc '^worker' "$W/threads")" = 2 ] || fail "not two: ours and libxenstore's"
kept=$((1 << 1)) # CAP_DAC_OVERRIDE
load_bg "$W/hold.out" "$one" --hold 30
state "$one" back 4
within 10 helper "$one" || fail 'no storage helper'
has_dropped "/proc/$(helper "$one")/status"
end "$BG"
expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0'

dump >"$W/dump"
expect_json "$W/dump" '[.workers[].switches_seen] | length == 3 and all'

# Somebody else may not be able to enter the folder of the build: a copy outside of it.
mkdir "$W/reader"
cp "$XENMETER" "$(ldd "$XENMETER" | sed -n 's/.*libxenmeter.* => \([^ ]*\) .*/\1/p')" "$W/reader"
# reads GROUP: may somebody else of that group read the table?
reads() {
	setpriv --reuid 65533 --regid "$1" --clear-groups env LD_LIBRARY_PATH="$W/reader" \
		"$W/reader/xenmeter" check --table "$TABLE" >"$W/reads" 2>&1
}
[ "$(stat -c %a:%u:%g "$TABLE")" = 640:0:65534 ] || fail "the table: $(stat -c %a:%u:%g "$TABLE")"
chmod 755 "$W"
reads 65534 || { cat "$W/reads"; fail 'a member of the group cannot read the table'; }
! reads 65533 || fail 'anybody reads the table'
grep -q 'no permission to read' "$W/reads" || { cat "$W/reads"; fail 'not for want of the right'; }
finish
