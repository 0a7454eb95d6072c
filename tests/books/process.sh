#!/bin/sh
# SPDX-License-Identifier: MIT
# No CPU outside the books: every path of the daemon is driven, then all that its threads'
# books say they ran, and libxenstore's thread, is compared with the kernel's count for the
# process. They agree within 1 %; tried three times, and if other programs kept taking the
# CPUs, only reported.
. "$(dirname "$0")/../daemon/lib.sh"

[ "${SANITIZE:-none}" = none ] || skip 'times of a sanitized build mean nothing'
host --workers 2
a=$(guest one); b=$(guest two)
attach "$a" xvda "$(disk a 16M)"; attach "$b" xvda "$(disk b 16M)"

# What the books say ran, and what the kernel says, in ns; on an idle daemon, whose
# heartbeat is of the same second. Of what others ran for the control thread,
# libxenstore's thread is of this process; storage helpers, which open disks, are not.
sample() {
	sleep 2.1
	dump | jq -c '.table.clock_khz as $khz | (.workers | map(.kind) | index("control")) as $control |
		([.rows[] | select(.worker == $control) | .counters.offload_other] | add // 0) as $helpers |
		[([.workers[] | .kind as $kind | .counters | .elapsed - .idle - .not_running +
			if $kind == "control" then .offload - $helpers else 0 end] | add) /
			$khz * 1e6, .table.process_cpu_seconds * 1e9]'
}
# The guest rewrites keys of its frontend, a hundred in a transaction of its own each.
storm() {
	local keys='' n=0
	while [ $n -lt 100 ]; do keys="$keys device/vbd/51712/state 3"; n=$((n + 1)); done
	n=0
	# shellcheck disable=SC2086
	while [ $n -lt 20 ]; do "$SIMXL" run "$a" xenstore-write $keys; n=$((n + 1)); done
}
everything() {
	say 'connect, reconnect, teardown'
	load "$a" --queues 4 --cycles 20 --connect-only >/dev/null
	say 'requests, flushes, discards, refused ones'
	load "$a" --rw randrw --number 4000 --depth 8 --flush-every 5 --discard-every 9 >/dev/null
	load "$b" --rw randwrite --number 2000 --barrier-every 4 --depth 4 >/dev/null
	load "$b" --force --rw read --offset 32m --size 1m --number 25 >/dev/null || :
	say 'a storm of keys, and of events of nobody'
	storm
	xenstore-write "$HOME0/backend/vbd/77/0/x" 1 "$HOME0/backend/vbd/78/0/x" 1
	xenstore-rm "$HOME0/backend/vbd/77" && xenstore-rm "$HOME0/backend/vbd/78"
	say 'resizes'
	load_bg "$W/hold.out" "$b" --hold 20
	state "$b" back 4
	truncate -s 24M "$W/b"; sleep 1.2; truncate -s 16M "$W/b"; sleep 1.2
	end "$BG"
	say 'a device without a disk, devices that come and go'
	attach "$a" xvdb "$W/none" || :
	load "$a" --devid xvdb --timeout 1 --number 1 >/dev/null 2>&1 || :
	"$SIMXL" block-detach "$a" xvdb || :
	"$SIMXL" block-detach "$b" xvda
	attach "$b" xvda "$W/b"
}

stolen() { awk '/^cpu / { print $9 }' /proc/stat; }
try=0
while [ $try -lt 3 ]; do
	try=$((try + 1))
	st0=$(stolen); s0=$(sample)
	everything
	s1=$(sample); st1=$(stolen)
	result=$(jq -n --argjson a "$s0" --argjson b "$s1" \
		'($b[0] - $a[0]) / ($b[1] - $a[1])')
	say "try $try: $result of the process's CPU is in the books, of $(jq -n \
		--argjson a "$s0" --argjson b "$s1" '($b[1] - $a[1]) / 1e6 | floor') ms;" \
		"stolen $((st1 - st0)) ticks"
	dump | jq -r '.workers[] | "\(.kind): \(.counters | "charged \(.charged), overhead \(.overhead
		), offload \(.offload), of that unattributed \(.offload_unattributed), stolen \(.stolen)")"'
	! jq -ne "$result > 0.99 and $result < 1.01" >/dev/null || { finish; exit 0; }
done
[ $((st1 - st0)) -lt 20 ] || { finish; skip "the CPUs are taken away; ratio $result"; }
fail "ratio $result"
