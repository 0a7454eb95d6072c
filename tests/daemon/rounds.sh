#!/bin/sh
# SPDX-License-Identifier: MIT
# Thirty guests come and go: memory, descriptors, ports and grants stay as they are. The
# guests all have one domid: each row still has the uuid of the guest it was charged to.
. "$(dirname "$0")/lib.sh"

host --workers 2
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }
held() {
	"$SIMXL" list |
		awk '$1 == 0 { print "granted", $4, "mapped", $5, "bound", $6, "unbound", $7 }'
}
round() {
	d=$(guest guest --domid 7)
	key "$(key /local/domain/7/vm)/uuid" >>"$W/uuids"
	attach 7 xvda "$W/a"
	load 7 --queues 2 --rw randrw --number 100 --depth 4 --indirect 32 --bs 64k >/dev/null
	if [ $(($1 % 2)) = 0 ]; then
		"$SIMXL" block-detach 7 xvda
		"$SIMXL" destroy 7
	else
		"$SIMXL" destroy 7
	fi
}
disk a 16M >/dev/null
n=0 most=0
while [ $n -lt 30 ]; do
	n=$((n + 1))
	round $n
	# Memory for data goes back to the kernel at a tick of the clock: look at the most.
	r=$(rss); [ "$r" -le $most ] || most=$r
	[ $n != 10 ] || { sleep 0.1; rss0=$most; fds0=$(fds); held0=$(held); most=0; }
done
sleep 0.1
say "up to round 10: RSS $rss0 KiB at the most, $fds0 descriptors, $held0"
say "up to round 30: RSS $most KiB at the most, $(fds) descriptors, $(held)"
fds_back "$fds0"
[ "$(held)" = "$held0" ] || fail 'ports or grants leak'
if [ "${SANITIZE:-none}" = none ]; then # quarantine grows
	[ "$most" -le $((rss0 + 200)) ] || fail 'memory leaks'
fi
# A row that is being retired is not read.
rows() { dump | jq -c '[.rows[] | select(.domid == 7 and .queue == 0) | .state] | group_by(.) | map([.[0], length])'; }
retired() { [ "$(rows)" = '[["retired",30]]' ]; }
within 10 retired || fail "not every guest has a row that is retired: $(rows)"
dump | jq -r '.rows[] | select(.domid == 7 and .queue == 0) | .uuid' | sort >"$W/charged"
sort "$W/uuids" | cmp - "$W/charged" || fail 'a row has the uuid of another guest'
finish
