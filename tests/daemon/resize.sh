#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk that grows or shrinks while the guest is connected: `sectors`, then the
# state once more, and the new size holds for requests.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
img=$(disk a 8M)
attach "$d" xvda "$img"
b=$(back "$d")
M=$((1024 * 1024))

say 'it grows'
load_bg "$W/grow.out" "$d" --rw randread --number 250 --rate 100 --json
state "$d" back 4
timeout 10 xenstore-watch -n 3 "$b/state" >"$W/watch" & # the watch itself is one
PIDS="$PIDS $!"; watch=$!
within 5 test -s "$W/watch"
truncate -s 16M "$img"
within 5 is "$b/sectors" 32768 || fail 'the new size is not published'
within 5 grep -c . "$W/watch"
[ "$(wc -l <"$W/watch")" -ge 2 ] || sleep 0.5
[ "$(wc -l <"$W/watch")" -ge 2 ] || fail 'the state was not written again'
expect_key "$b/state" 4
kill $watch 2>/dev/null || :
ended "$BG"
expect_json "$W/grow.out" '.negotiated | .resizes == 1 and .sectors == 32768'
load "$d" --rw write --offset 15m --size 1m --bs 64k --verify

say 'what is new can be used by a guest that stays connected'
load_bg "$W/stay.out" "$d" --force --rw randwrite --verify --offset $((17 * M)) --size 1m \
	--time 2.2 --json
state "$d" back 4
truncate -s 24M "$img"
within 5 is "$b/sectors" 49152
ended "$BG" 1
expect_json "$W/stay.out" '.errors.error > 0 and .completed > .errors.error'

say 'it shrinks: requests past the end get an error'
load_bg "$W/shrink.out" "$d" --force --rw randread --offset 10m --size 4m --rate 500 \
	--time 2.2 --json
state "$d" back 4
truncate -s 8M "$img"
within 5 is "$b/sectors" 16384
ended "$BG" 1
expect_json "$W/shrink.out" '.errors.error > 0 and .protocol_violations == 0'
expect_json "$W/shrink.out" '.negotiated | .resizes == 1 and .sectors == 16384'
load "$d" --rw randrw --verify --number 200
[ "$(stat -c %s "$img")" = $((8 * M)) ] || fail 'the daemon has grown the file'
finish
