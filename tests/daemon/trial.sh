#!/bin/sh
# SPDX-License-Identifier: MIT
# Before an upgrade, xenmeterd --probe of the new program reads the journals of the old
# one, which serves meanwhile: it says whether it could go on from them, changes nothing,
# and its exit code is for a package's script.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
load_bg "$W/one.out" "$d" --rw randrw --verify --depth 8 --queues 2 --flush-every 9 --time 300 \
	--timeout 30 --json; p=$BG
state "$d" back 4
"$SIMXL" vif-attach "$d" 0 --set type=null
"$SIMXL" run "$d" "$NETLOAD" generate --json --time 100 >"$W/net.out" 2>&1 & net=$!
PIDS="$PIDS $net"
"$SIMXL" wait-state "$d" vif:0 back 4

probe() { # CODE LINE
	code=0; "$SIMXL" run 0 "$XENMETERD" --probe --table "$TABLE" >"$W/probe" 2>&1 || code=$?
	[ $code = "$1" ] || { cat "$W/probe"; fail "exit code $code, not $1"; }
	grep -Eq "^journals +$2" "$W/probe" || { cat "$W/probe"; fail "not: $2"; }
	grep -Eq "^table +${3:-ok, its counters go on}" "$W/probe" || { cat "$W/probe"; fail 'the table'; }
}
left() { ls "$W"; cat "$TABLE" "$TABLE".journal.* | cksum; }
say 'while a daemon serves'
probe 0 '3, all can be used'
probe 0 '3, all can be used'

say 'after it has died, and nothing is changed'
daemon_kill
was=$(left)
probe 0 '3, all can be used'
[ "$(left)" = "$was" ] || { left; fail "it was: $was"; }

say 'one that was not finished concerns nobody'
: >"$TABLE.journal.vbd-88-51712-0"
truncate -s 9000 "$TABLE.journal.vbd-88-51712-1"
probe 0 '3, all can be used'

say 'of another version, damaged, of a kind that is not known'
other=$TABLE.journal.vbd-99-51712-0
# poke OFFSET BYTE: in a copy of a journal that is good
poke() {
	cp "$TABLE.journal.vbd-$d-51712-0" "$other"
	# shellcheck disable=SC2059
	printf "$2" | dd of="$other" bs=1 seek="$1" conv=notrunc status=none
	probe 7 '1 of 4 CANNOT BE USED'
}
poke 8 '\002'
poke 0 'Y'
kind=$(grep -abo vbd "$TABLE.journal.vbd-$d-51712-0" | head -1 | cut -d: -f1)
poke "$kind" 'vcd'
truncate -s 10000 "$other"
probe 7 '1 of 4 CANNOT BE USED'

rm "$other"

say 'a table that is none'
cp "$TABLE" "$W/good"
# Into the same file: a reader may have it open.
printf 'XX' | dd of="$TABLE" bs=1 conv=notrunc status=none
probe 7 '3, all can be used' 'CANNOT BE USED'
cat "$W/good" >"$TABLE"
probe 0 '3, all can be used'
cp "$TABLE.journal.vbd-$d-51712-0" "$other"
printf 'YY' | dd of="$other" bs=1 conv=notrunc status=none

say 'they are removed, and the others gone on from'
daemon_start
both() { [ "$(grep -c 'goes on where' "$LOG")" = 2 ]; }
within 10 both || fail 'not all go on'
[ "$(ls "$TABLE".journal.* | wc -l)" = 3 ] || { ls "$W"; fail 'not three journals'; }
probe 0 '3, all can be used'
end "$p"; end "$net"
expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0'
finish
