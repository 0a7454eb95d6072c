#!/bin/sh
# SPDX-License-Identifier: MIT
# A size that is no multiple of a sector is rounded down, at attach as at resize, and the
# log says so once each time. Once such a file was refused at attach.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
b=$(back "$d")
head -c 1000000 /dev/urandom >"$W/odd"
sum=$(cksum <"$W/odd")
attach "$d" xvda "$W/odd"
# said BYTES: how often
said() { grep -c "no multiple of a sector: the last $1 bytes are not served" "$LOG" || :; }

load_bg "$W/one.out" "$d" --rw randread --rate 200 --time 2.5 --json
state "$d" back 4
expect_key "$b/sectors" 1953
[ "$(said 64)" = 1 ] || fail "said $(said 64) times"

say 'it grows to another odd size'
truncate -s 2000001 "$W/odd"
within 5 is "$b/sectors" 3906 || fail 'the new size is not published'
[ "$(said 129)" = 1 ] || fail "said $(said 129) times"
ended "$BG"
expect_json "$W/one.out" '.errors.error == 0 and .negotiated.sectors == 3906'

say 'the last sector can be used, and what is beyond stays'
load "$d" --rw write --bs 512 --offset $((3905 * 512)) --size 512 --number 1 --verify
[ "$(stat -c %s "$W/odd")" = 2000001 ] || fail 'the size of the file has changed'
head -c 1000000 "$W/odd" | cksum | grep -qx "$sum" || fail 'what was not written to has changed'

say 'null: likewise'
attach "$d" xvdb null:1000
load "$d" --devid xvdb --rw read --bs 512 --number 1
expect_key "$(back "$d" 51728)/sectors" 1
finish
