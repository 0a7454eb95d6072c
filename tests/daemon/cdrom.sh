#!/bin/sh
# SPDX-License-Identifier: MIT
# A CD drive may be empty, and its medium is changed: before the guest connects and while
# it is connected, with and without a hotplug script. libxl writes `params` alone then, as
# FORMAT:PATH or empty. An empty drive was once refused for good where no script runs.
. "$(dirname "$0")/lib.sh"

# iso LETTER SIZE: prints the path of a medium that begins with the letter
iso() { f=$(disk "$1.iso" "$2"); printf %s "$1" | dd of="$f" conv=notrunc status=none; echo "$f"; }
# said NAME LETTER: the last line of the guest's output
said() { [ "$(tail -n 1 "$W/$1.out")" = "vbd $2" ]; }

host
a=$(iso a 1M); b=$(iso b 2M)

# drive NAME DOMID BACKEND EJECT INSERT: empty, filled, changed, emptied and filled again
drive() {
	name=$1 d=$2 k=$3 # $4 and $5: commands
	waits() { grep -q "backend/vbd/$d/.*waits for a medium" "$LOG"; }
	within 10 waits || fail 'it does not wait'
	"$SIMXL" run "$d" "$STATEWALK-vbd" --timeout 20000 connect io "@$W/$name.1" io \
		"@$W/$name.2" no-io "@$W/$name.3" io >"$W/$name.out" 2>&1 & walk=$!
	state "$d" front 3
	$5 "$a"
	within 10 said $name a || fail 'the first medium is not read'
	expect_key "$k/sectors" 2048
	expect_key "$k/info" 7 # read-only, removable, a CD
	$5 "$b"
	within 10 is "$k/sectors" 4096 || fail 'the medium is not changed'
	touch "$W/$name.1"
	within 10 said $name b || fail 'the second medium is not read'
	$4
	within 10 is "$k/sectors" 0 || fail 'the medium is not ejected'
	[ -z "$(find "/proc/$DAEMON/fd" -lname '*.iso')" ] || fail 'what is ejected is still open'
	touch "$W/$name.2"
	$5 "$a"
	within 10 is "$k/sectors" 2048 || fail 'nothing is inserted'
	touch "$W/$name.3"
	ended $walk
	said $name a || fail 'the third medium is not read'
	state "$d" back 6

	say 'ejected while nobody is there, and back'
	$4
	xenstore-write "$(front "$d")/state" 1
	state "$d" back 2
	"$SIMXL" run "$d" "$STATEWALK-vbd" connect io >"$W/$name.out" & walk=$!
	state "$d" front 3
	$5 "$b"
	ended $walk
	said $name b || fail 'it is not read'
}

say 'without a script'
one=$(guest one)
attach "$one" xvda '' --type cdrom --mode r --no-script
k1=$(back "$one")
xenstore-rm "$k1/script"
eject() { xenstore-write "$k/params" ''; }
insert() { xenstore-write "$k/params" "$1"; }
drive one "$one" "$k1" eject insert
"$SIMXL" block-detach "$one" xvda # or it would have its medium until it comes again

say 'with a script, by libxl'
two=$(guest two)
attach "$two" xvda '' --type cdrom --mode r --no-script
k2=$(back "$two")
xenstore-write "$k2/physical-device-path" "$b" # what the script has said once
insert_libxl() { eject; xenstore-write "$k/params" "aio:$1"; }
drive two "$two" "$k2" eject insert_libxl

say 'what is no medium leaves the drive empty, until it is one'
three=$(guest three) # the log's lines are counted for each guest
attach "$three" xvda "$W/none.iso" --type cdrom --mode r
k=$(back "$three")
within 10 grep -q "waits for a medium that can be served: $W/none.iso: cannot open it" "$LOG" ||
	fail 'it does not say what it waits for'
expect_key "$k/state" 2
"$SIMXL" run "$three" "$STATEWALK-vbd" --timeout 20000 connect io "@$W/three.1" no-io \
	"@$W/three.2" io >"$W/three.out" & walk=$!
cp "$b" "$W/none.iso"
within 10 said three b || fail 'it is not read'
xenstore-write "$k/params" "aio:$W/late.iso"
within 10 is "$k/sectors" 0 || fail 'it is not empty'
touch "$W/three.1"
cp "$b" "$W/late.iso"
within 10 is "$k/sectors" 4096 || fail 'it is not tried again'
touch "$W/three.2"
ended $walk
said three b || fail 'it is not read'

say 'a medium that another guest writes is waited for, with an empty drive'
four=$(guest four); five=$(guest five)
attach "$four" xvda "$a"
load_bg "$W/writer.out" "$four" --rw randwrite --offset 512k --time 60 --rate 100; writer=$BG
state "$four" back 4
attach "$five" xvda "$b" --type cdrom --mode r
k=$(back "$five")
"$SIMXL" run "$five" "$STATEWALK-vbd" --timeout 20000 connect io "@$W/five.1" no-io \
	"@$W/five.2" io >"$W/five.out" & walk=$!
within 10 said five b || fail 'it is not read'
xenstore-write "$k/params" "aio:$a"
within 10 grep -q "vbd/$five/.*waits for $a, which domain $four (four) has" "$LOG" ||
	fail 'it does not say what it waits for'
expect_key "$k/sectors" 0
expect_key "$k/state" 4
[ "$(grep -c "vbd/$five/.*has no medium" "$LOG")" = 1 ] || fail 'ejected more than once'
touch "$W/five.1"
end "$writer"
"$SIMXL" block-detach "$four" xvda
within 10 is "$k/sectors" 2048 || fail 'the medium is free, and not served'
touch "$W/five.2"
ended $walk
said five a || fail 'it is not read'
finish
