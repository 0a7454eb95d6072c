#!/bin/sh
# SPDX-License-Identifier: MIT
# `type=null`: a vif without a TAP, for measuring. What the guest sends is dropped, and it
# is given frames as fast as it takes them; both are counted as the guest counts them.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
d=$(guest one)
"$SIMXL" vif-attach "$d" 0 --set type=null
netload "$d" generate --json -n 100000 --size 60 >"$W/one.out" || fail 'generate'
! has_link "vif$d.0" >/dev/null 2>&1 || fail 'it has a TAP'
expect_json "$W/one.out" '.tx.okay == 100000 and .protocol_violations == 0 and .rx.frames > 0'
for counter in tx_frames tx_bytes; do
	expect_row "$d" $counter "$(get "$W/one.out" ".$(echo $counter | tr _ .)")"
done
# The last of them may come when the guest looks no more.
[ "$(row "$d" rx_frames)" -ge "$(get "$W/one.out" .rx.frames)" ] || fail 'too few are counted'
say "$(get "$W/one.out" '.rx.frames') frames came meanwhile"

say 'a guest that only takes frames, and gives room again while it is served'
# More room than a ring in one visit was once counted as none, from then on for ever, so
# that its events were spurious and the guest was served once a second, if at all.
netload "$d" sink --json -n 1000000 --time 60 >"$W/two.out" || fail 'sink'
[ "$(get "$W/two.out" .rx.frames)" -ge 1000000 ] || fail 'it is not given what it takes'
say "spurious: $(row "$d" events_spurious) of $(row "$d" events) events"
finish
