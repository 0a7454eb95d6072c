#!/bin/sh
# SPDX-License-Identifier: MIT
# Rows, totals and log lines have the name that the toolstack has for a guest, also after
# `xl rename` and at the end of a migration: a domain that was made as web--incoming once
# kept that name for ever. In a driver domain, which may not read the guest's home, it is
# what stands in the backend's directory.
. "$(dirname "$0")/lib.sh"

# names DOMID: of all its rows, live or not
names() { dump | jq -r --argjson d "$1" '[.rows[] | select(.domid == $d) | .name] | unique | join(" ")'; }
called() { [ "$(names "$1")" = "$2" ]; }
expect_called() { within 10 called "$1" "$2" || fail "rows are called '$(names "$1")', not '$2'"; }
# As libxl_domain_rename() does.
rename() {
	xenstore-write "/local/domain/$1/name" "$2" "$(key "/local/domain/$1/vm")/name" "$2"
}
total() { key "$HOME0/data/xenmeter/guests/$1" | grep -q "requests=$2 .* name=$3\$"; }

host --workers 2
d=$(guest web--incoming)
other=$(guest other)
attach "$d" xvda null:16M
attach "$d" xvdb null:16M
attach "$other" xvda null:16M
load "$d" --queues 3 --rw read --number 300 --bs 4k >/dev/null
load "$d" --devid xvdb --rw read --number 10 --bs 4k >/dev/null
load_bg "$W/hold.out" "$d" --queues 2 --hold 300; held=$BG
state "$d" back 4
expect_called "$d" web--incoming
within 15 total "$d" 310 web--incoming || fail "totals: $(key "$HOME0/data/xenmeter/guests/$d")"

say 'renamed: rows of running, closed and former queues'
rename "$d" web
expect_called "$d" web
expect_called "$other" other
[ "$(grep -c 'its guest was called web--incoming before' "$LOG")" = 1 ] || fail 'not logged once'
within 15 total "$d" 310 web || fail "totals: $(key "$HOME0/data/xenmeter/guests/$d")"

say 'and after a reconnection'
end "$held"
rename "$d" web2
load "$d" --queues 3 --rw read --number 30 --bs 4k >/dev/null
expect_called "$d" web2
expect_row "$d" requests 340

daemon_stop

say 'in a driver domain'
dd=$("$SIMXL" create dd --driver-domain)
TABLE=$W/far # another machine's
"$SIMXL" run "$dd" "$XENMETERD" --table "$TABLE" --domain=off 2>>"$LOG" >&2 &
DAEMON=$!
within 20 serving || fail 'the daemon does not start'
attach "$other" xvdb null:16M --backend "$dd" --set domain=far--incoming
load_bg "$W/far.out" "$other" --devid xvdb --hold 300; held=$BG
within 10 is "/local/domain/$dd/backend/vbd/$other/51728/state" 4 || fail 'not connected'
expect_called "$other" far--incoming
rename "$other" unseen
xenstore-write "/local/domain/$dd/backend/vbd/$other/51728/domain" far
expect_called "$other" far
end "$held"
finish
