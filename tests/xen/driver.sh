# SPDX-License-Identifier: MIT
# The rest of a driver domain's start, sourced by domain-init: what an operator would have
# run there, and then what dom0 asks for.
. /xm/talk.sh
LOG=/var/log/xenmeterd.log

daemon_start() {
	: >"$LOG"
	xenmeterd --user xenmeter --domain=off >>"$LOG" 2>&1 &
	echo $! >/run/daemon
	until grep -q 'serving with' "$LOG"; do sleep 0.1; done
}

# next_daemon SIGNAL DEVICES: this one ends by it, and another goes on with so many devices
next_daemon() {
	local pid
	pid=$(cat /run/daemon)
	kill "-$1" "$pid"
	while [ -e "/proc/$pid" ]; do sleep 0.1; done
	daemon_start
	until [ "$(grep -c 'goes on where the last daemon ended' "$LOG")" = "$2" ]; do sleep 0.1; done
}

xl devd
daemon_start
truncate -s 16M /tmp/disk.img
tell up 1

# What dom0 asks for in control/xm-ask, N COMMAND, is run; tells answer-N.
asked_before=0
xenstore-watch control/xm-ask | while read -r _; do
	asked=$(xenstore-read -R control/xm-ask 2>/dev/null) || continue
	[ "${asked%% *}" != "$asked_before" ] || continue
	asked_before=${asked%% *}
	tell "answer-$asked_before" "$(eval "${asked#* }" 2>&1 </dev/null | tail -c 2000)"
done
