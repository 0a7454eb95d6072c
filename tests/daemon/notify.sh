#!/bin/sh
# SPDX-License-Identifier: MIT
# Ready-notification (sd_notify(3)): READY=1 once it serves, STOPPING=1 when told to stop.
. "$(dirname "$0")/lib.sh"

"$LISTEN" "$W/notify" >"$W/told" &
PIDS=$!
within 5 test -S "$W/notify"
NOTIFY_SOCKET=$W/notify host
unset NOTIFY_SOCKET
within 5 grep -qx 'READY=1' "$W/told" || fail 'not ready'
grep -q STOPPING "$W/told" && fail 'stopping too early'
daemon_stop
within 5 grep -qx 'STOPPING=1' "$W/told" || fail 'does not say that it stops'
finish
