#!/bin/sh
# SPDX-License-Identifier: MIT
# Producer indices that jump ahead by one too many, far, and back, on each ring; again and
# again, with frames for the guest on their way: memory and descriptors stay, the log is
# bounded (XSA 39, 43). HOSTILE_ROUNDS says how often each.
. "$(dirname "$0")/net_lib.sh"

rounds=${HOSTILE_ROUNDS:-8}
# jumps RING HOW-FAR REASON
jumps() {
	say "$1 $2"
	timeout $((60 + rounds)) "$SIMXL" run 1 "$HOSTILE/net_jump" "$1" "$2" "$rounds" ||
		fail "$1 $2"
	reason "broke queue 0: $3"
	N=$((N + rounds))
	expect_row 1 rings_broken $N
}

net_scene
"$HOSTILE/ether" send vif1.0 10000000 100 500 &
SENDER=$!
PIDS="$PIDS $SENDER"
N=0
ring='.*(impossible|past the last request)'
jumps tx 257 "$ring"
rss0=$(rss); fds0=$(fds)
jumps tx 0x80000000 "$ring"
jumps tx -1 "$ring"
# Frames are placed meanwhile: by one too many would be right a moment later.
jumps rx 600 'ring indices are impossible'
jumps rx 0x80000000 'ring indices are impossible'
jumps rx -1 'ring indices are impossible'
jumps control 129 'control ring indices are impossible'
jumps control 0x80000000 'control ring indices are impossible'
jumps control -1 'control ring indices are impossible'
kill $SENDER
fds_back "$fds0"
flat "$rss0" 1500 "$N jumps"
paid tx_parse_cycles
quiet_log $((300 + N))
net_undisturbed
finish
