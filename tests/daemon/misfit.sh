#!/bin/sh
# SPDX-License-Identifier: MIT
# A medium takes the last one's place under the workers, which go on with what they know
# of the disk. One without direct I/O was once taken for one with it, and what the page
# cache costs in kernel threads was charged to nobody; one that does not discard was
# discarded from. Such a medium is served from the next connection on.
. "$(dirname "$0")/lib.sh"

# iso LETTER: prints the path of a medium that begins with the letter
iso() { f=$(disk "$1.iso" "$2"); printf %s "$1" | dd of="$f" conv=notrunc status=none; echo "$f"; }
said() { [ "$(tail -n 1 "$W/out")" = "vbd $1" ]; }
waits() {
	within 10 grep -q "waits for its frontend to reconnect: $b cannot .*: $1" "$LOG" ||
		fail "it does not wait, though $1"
	expect_key "$k/sectors" 0
}

host
a=$(iso a 1M); b=$(iso b 2M)
d=$(guest one)
attach "$d" xvda "$a" --type cdrom --mode w
k=$(back "$d")
"$SIMXL" run "$d" "$STATEWALK-vbd" --timeout 20000 connect io "@$W/1" no-io 5 =5 6 =6 1 =2 \
	connect io >"$W/out" & walk=$!
within 10 said a || fail 'it is not read'
expect_key "$k/feature-discard" 1
xenstore-write "$k/params" "aio:$b" "$k/cache" writeback
waits 'it has no direct I/O'
xenstore-write "$k/discard-enable" 0 "$k/cache" none
waits 'it does not discard'
touch "$W/1"
ended $walk
said b || fail 'it is not read'
expect_key "$k/sectors" 4096
expect_key "$k/feature-discard" 0
finish
