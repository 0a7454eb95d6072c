#!/bin/sh
# SPDX-License-Identifier: MIT
# What a frontend writes that was not offered is refused, with a message for the operator,
# and the device is closed. Arguments: the key, its value as xenstore-write takes it (\0 is
# a NUL), a pattern of the message.
. "$(dirname "$0")/lib.sh"

KEY=$1; VALUE=$2; MESSAGE=$3
host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
f=$(front "$d"); b=$(back "$d")
state "$d" back 2
# Enough of a frontend to be read; the refused key comes first of all.
"$SIMXL" run "$d" xenstore-write -- "$f/ring-ref" 8 "$f/event-channel" 1 \
	"$f/protocol" x86_64-abi "$f/$KEY" "$VALUE" "$f/state" 3
expect_error "$d" "$MESSAGE"
state "$d" back 5 # until the frontend has closed as well
kill -0 "$DAEMON" || fail 'the daemon has died'
grep -Eq "$MESSAGE" "$LOG" || fail 'nothing in the log'

say 'another guest is served'
o=$(guest other)
attach "$o" xvda "$(disk b 16M)"
load "$o" --rw randrw --verify --number 200
"$SIMXL" block-detach "$d" xvda & # as libxl: waits for the frontend
det=$!
"$SIMXL" run "$d" xenstore-write "$f/state" 6 2>/dev/null || :
wait $det || fail 'it does not go away'
finish
