#!/bin/sh
# SPDX-License-Identifier: MIT
# What a network frontend writes and must not, or leaves out, is refused: with a message
# for the operator, and the device is closed. Another guest is served. Arguments: the key,
# its value (`-`: it is left out), a pattern of the message.
. "$(dirname "$0")/netlib.sh"

KEY=$1; VALUE=$2; MESSAGE=$3
quiet
net_host
d=$(guest one)
vif_attach "$d"
f=/local/domain/$d/device/vif/0
# Enough of a frontend to be read.
for key in request-rx-copy=1 tx-ring-ref=8 rx-ring-ref=9 event-channel-tx=1 \
	event-channel-rx=2 "$KEY=$VALUE"; do
	[ "${key#*=}" = - ] || "$SIMXL" run "$d" xenstore-write -- "$f/${key%%=*}" "${key#*=}"
done
[ "$VALUE" != - ] || "$SIMXL" run "$d" xenstore-rm "$f/$KEY"
"$SIMXL" run "$d" xenstore-write "$f/state" 3
expect_error "$d" "$MESSAGE" 0
"$SIMXL" wait-state "$d" vif:0 back 5 # until the frontend has closed as well
kill -0 "$DAEMON" || fail 'the daemon has died'
grep -Eq "$MESSAGE" "$LOG" || fail 'nothing in the log'

say 'another guest is served'
o=$(guest other)
vif_attach "$o"
netload "$o" generate --json -n 100 >"$W/other.out" || fail 'it is not'
"$SIMXL" vif-detach "$d" 0 & # as libxl: waits for the frontend
det=$!
"$SIMXL" run "$d" xenstore-write "$f/state" 6 2>/dev/null || :
wait $det || fail 'it does not go away'
within 10 no_link "vif$d.0" || fail 'its TAP has stayed'
finish
