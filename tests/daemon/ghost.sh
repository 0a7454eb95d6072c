#!/bin/sh
# SPDX-License-Identifier: MIT
# A state node is never written anew once it is gone, or a removed device comes
# back as a ghost: its directory goes while the daemon is about to connect, to close, and
# while it is closed.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
b=$(back "$d")
stays_away() { # the whole time
	for n in 1 2 3 4 5 6 7 8 9 10; do
		expect_no_key "$b/state"
		sleep 0.05
	done
}

say 'while it waits'
attach "$d" xvda "$(disk a 16M)"
state "$d" back 2
xenstore-rm "$b"
stays_away
xenstore-write "$(front "$d")/state" 4
stays_away
"$SIMXL" block-detach "$d" xvda

say 'while it is connected, under load'
attach "$d" xvda "$W/a"
load_bg "$W/load.out" "$d" --rw randwrite --depth 16 --time 20 --timeout 2
within 10 is "$b/state" 4
sleep 0.2
xenstore-rm "$b"
stays_away
wait "$BG" || :
stays_away
"$SIMXL" block-detach "$d" xvda

say 'at once after it was attached'
for n in 1 2 3 4 5 6 7 8 9 10; do
	attach "$d" xvda "$W/a"
	xenstore-rm "$b"
	"$SIMXL" block-detach "$d" xvda
done
stays_away
finish
