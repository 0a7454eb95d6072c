#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk or a network interface (argument: vbd or vif) connected and disconnected in every
# order of states, half of it with I/O on its way (XSA-350): the daemon's memory,
# descriptors, ports and grants stay, and so do storage helpers, and what these have
# open. XENMETER_ROUNDS in the environment says how many rounds.
kind=$1
case $kind in
vbd) . "$(dirname "$0")/lib.sh" ;;
vif) . "$(dirname "$0")/net_lib.sh" ;;
esac

scene_vbd() {
	host --workers 2
	guest offender >/dev/null
	attach 1 xvda "$(disk a 4M)"
}

# Frames come for it all the time.
scene_vif() {
	quiet
	net_host --workers 2
	guest offender >/dev/null
	net_attach_offender
	"$HOSTILE/ether" send vif1.0 100000000 100 500 &
	PIDS="$PIDS $!"
}

rounds=${XENMETER_ROUNDS:-400}
scene_$kind
memory() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }
heap() { awk '/^[0-9a-f]+-/ { heap = /\[heap\]/ } heap && /^Rss/ { sum += $2 } END { print sum + 0 }' "/proc/$DAEMON/smaps"; }
held() { "$SIMXL" list | awk '$1 == 0 { print $4, "granted,", $5, "mapped,", $6 + $7, "ports" }'; }
# helpers: each with its descriptors and lanes
helpers() {
	local p fds lanes
	for p in $(pgrep -P "$(pgrep -d, -P "$DAEMON")"); do
		fds=$(find "/proc/$p/fd" -type l | wc -l)
		lanes=$(grep -c xenmeter-lane "/proc/$p/maps" || :)
		echo "helper with $fds descriptors, $lanes lanes"
	done
}
helpers_as() { [ "$(helpers)" = "$1" ]; }
tenth=$((rounds / 10))
n=0
while [ $n -lt 10 ]; do
	timeout 7200 "$SIMXL" run 1 "$HOSTILE/orders" $kind $((n * tenth)) $tenth || fail "from round $((n * tenth)) on"
	n=$((n + 1))
	sleep 0.1 # memory for data goes back to the kernel at a tick
	say "$((n * tenth)) rounds of a $kind: RSS $(memory) KiB, heap $(heap) KiB, $(fds) descriptors, $(held); $(helpers)"
	if [ $n = 2 ]; then
		helpers0=$(helpers)
		memory0=$(memory); heap0=$(heap); fds0=$(fds); held0=$(held)
	fi
done
fds_back "$fds0"
[ "$(held)" = "$held0" ] || fail 'ports or grants leak'
within 10 helpers_as "$helpers0" || fail "helpers were: $helpers0; are: $(helpers)"
if [ "${SANITIZE:-none}" = none ]; then # quarantine grows
	[ "$(memory)" -le $((memory0 + 200)) ] || fail 'memory leaks'
	[ "$(heap)" -le $((heap0 + 100)) ] || fail 'the heap leaks'
fi
[ "$(row 1 requests)" -ge $((rounds / 4)) ] || fail 'not enough was served'
[ $kind = vbd ] || [ "$(find /sys/class/net -name 'vif*' | wc -l)" = 1 ] || fail 'TAPs leak'
paid exact_parse
finish
