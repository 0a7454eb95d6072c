#!/bin/sh
# SPDX-License-Identifier: MIT
# The toolstack may write the disk's keys one after the other. What was read early is read
# again before it counts: a disk whose `mode` came after its file was read-only for ever.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
b=$(back "$d")

say 'first the file, then the mode'
attach "$d" xvda "$(disk a 16M)" --no-script
state "$d" back 2
xenstore-rm "$b/mode"
xenstore-write "$b/physical-device-path" "$W/a"
waits() { grep -q 'waits for its mode' "$LOG"; }
within 10 waits || fail 'it does not wait'
xenstore-write "$b/mode" w
load "$d" --rw write --number 100
expect_key "$b/info" 0

# again KEY VALUE: while the frontend is away, the toolstack changes its mind
again() {
	state "$d" back 6
	xenstore-write "$(front "$d")/state" 1
	state "$d" back 2
	xenstore-write "$b/$1" "$2"
}
say 'another mode'
again mode r
load "$d" --rw read --number 100
expect_key "$b/info" 4
again mode w
load "$d" --rw write --number 100
expect_key "$b/info" 0
say 'another file'
again physical-device-path "$(disk b 32M)"
load "$d" --rw read --number 100
expect_key "$b/sectors" 65536
say 'no discard'
again discard-enable 0
load "$d" --rw read --number 100
expect_key "$b/feature-discard" 0
finish
