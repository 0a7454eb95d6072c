#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that grants more than LIMIT_PERSISTENT_PER_GUEST pages: that many are mapped, the
# rest is copied, and the neighbour has its mappings all the same (XSA-300).
. "$(dirname "$0")/lib.sh"

mapped() { dump | jq --argjson d "$1" '[.rows[] | select(.domid == $d) | .counters.pages_mapped] | add'; }
limit() { awk -v n="LIMIT_PERSISTENT_PER_$1" '$2 == n { print $3 }' "$LIMITS"; }
scene "$(disk a 8M)"
attach 1 xvdb "$(disk b 8M)"
mkfifo "$W/go"
"$SIMXL" run 1 "$HOSTILE/cap" <"$W/go" >"$W/offender" &
CAP=$!
PIDS="$PIDS $CAP"
exec 3>"$W/go"
within 60 grep -q pages "$W/offender" || fail 'it does not get so far'
read -r sent _ granted _ <"$W/offender"
m1=$(mapped 1); m2=$(mapped 2); queues=$(dump | jq '[.rows[] |
	select(.domid == 1 and .queue != null) | .counters.pages_mapped] | max')
say "$sent requests, $granted pages; $m1 mapped, $queues of a queue at the most; the neighbour: $m2"
# And the ring's page of each of 16 queues.
[ "$m1" = $(($(limit GUEST) + 16)) ] || fail 'not as many as the limit says'
[ "$queues" = $(($(limit QUEUE) + 1)) ] || fail 'not as many of a queue as the limit says'
[ "$m2" -gt 0 ] || fail 'nothing is left for the neighbour'
[ "$(row 1 pages_copied)" -gt 0 ] || fail 'nothing was copied'
expect_row 1 requests "$sent"
expect_row 1 errors 0
paid exact_grant
echo >&3
ended $CAP
undisturbed
finish
