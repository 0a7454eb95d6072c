#!/bin/sh
# SPDX-License-Identifier: MIT
# Ring references that are the same ones, of two queues or of one, and those that are
# revoked, before the handshake or after it; ports that are the same.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
say 'one page twice'
offend rings page
expect_error 1 'ring indices are impossible'
expect_row 1 rings_broken 1
say 'one ring for two queues'
offend rings queues
[ "$(row 1 requests)" -ge 136 ] || fail 'not all were served'
say 'one port for two queues'
offend rings port
expect_error 1 'cannot map the frontend'
say 'a ring that is revoked'
offend rings gone
expect_error 1 'cannot map the frontend'
say 'a ring that will be'
mkfifo "$W/go"
"$SIMXL" run 1 "$HOSTILE/rings" revoked <"$W/go" >"$W/offender" &
RINGS=$!
PIDS="$PIDS $RINGS"
exec 3>"$W/go"
within 10 grep -q fresh "$W/offender" || fail 'not connected'
read -r _ ring _ mapped _ fresh <"$W/offender"
for ref in $ring $mapped $fresh; do "$SIMXL" revoke 1 "$ref"; done
errors=$(row 1 errors)
echo >&3
ended $RINGS
[ $(($(row 1 errors) - errors)) = 100 ] || fail 'what is not mapped did not fail'
load 1 --rw randrw --verify --number 100
paid exact_parse
undisturbed
finish
