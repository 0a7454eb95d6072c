# SPDX-License-Identifier: MIT
# For scenarios in which the daemon ends under load and another goes on; sourced in dom0.
#
# The guest `one` copies files on ext4 and compares their checksums, takes the time of each
# read of a second disk, and keeps two TCP connections, one each way, over all lives.
. /xm/net.sh
PAUSES=()

# The guest's part, before it does what it is asked.
JOB=$(
	cat /xm/numbers.sh - <<'GUEST'
copies() {
	turn=0
	until [ -e /tmp/stop ]; do
		rm -rf /mnt/tree
		cp -r /modules /mnt/tree && sync || break
		echo 3 >/proc/sys/vm/drop_caches
		(cd /mnt/tree && md5sum -c /tmp/sums >/dev/null) || break
		turn=$((turn + 1))
		echo $turn >/tmp/turns.new
		mv /tmp/turns.new /tmp/turns
		sleep 0.3
	done
	[ -e /tmp/stop ] || : >/tmp/failed
}
loads() {
	grep -v pktgen /modules/more | while read -r m; do insmod "/modules/$m"; done
	mount -t ext4 /dev/xvda /mnt
	(cd /modules && md5sum *) >/tmp/sums
	echo 0 >/tmp/turns
	# In parentheses, since a function's process keeps its former output open.
	(copies) >/tmp/copies 2>&1 &
	/gaps /dev/xvdb >/tmp/gaps 2>&1 &
	echo $! >/tmp/gaps.pid
	(feed) 2>/dev/null | nc 10.0.0.1 7000 >/dev/null 2>&1 &
	(numbers 7001) >/dev/null 2>&1 &
	until listens 1B59; do sleep 0.1; done
	dmesg >/tmp/dmesg
}
# pause: how long its longest read was since the last time, in ms; and how many there were
pause() {
	: >/tmp/gaps
	kill -USR1 "$(cat /tmp/gaps.pid)" || return
	until [ -s /tmp/gaps ]; do sleep 0.1; done
	cat /tmp/gaps
}
# turn: the copy under way ends
turn() {
	n=$(cat /tmp/turns)
	until [ "$(cat /tmp/turns)" -gt "$n" ]; do
		[ ! -e /tmp/failed ] || { cat /tmp/copies; return 1; }
		sleep 0.2
	done
}
# loads_end: the last number sent, and taken, and how often files were copied
loads_end() {
	: >/tmp/stop
	until [ -s /tmp/fed ] && [ -s /tmp/took ]; do sleep 0.2; done
	kill "$(cat /tmp/gaps.pid)"
	until umount /mnt; do sleep 0.2; done
	cat /tmp/fed /tmp/took /tmp/turns
}
# complaints: what its kernel has said of its devices since
complaints() {
	dmesg | grep -vxFf /tmp/dmesg | grep -v 'unmounting filesystem' |
		grep -iE 'xvd|blk|I/O|ext4|jbd|eth0|xen|vif|error|fail|bug|warn|hung|blocked'
	:
}
GUEST
)

# there COMMAND: run where the backends are; sets ANSWER
there() { ANSWER=$(. /xm/numbers.sh && eval "$1"); }

# at_work FILE-FOR-EXT4 FILE [OPTION-OF-DISKS-AND-VIF...]: the guest is made, and its loads begin
at_work() {
	local fs=$1 raw=$2
	shift 2
	there "mkfs.ext4 -q $fs"
	DISKS=$(disks "$(disk xvda "$fs" access=rw "$@")" "$(disk xvdb "$raw" access=rw "$@")") \
		net_guest one 2 "$@"
	up one
	there '(numbers 7000) >/dev/null 2>&1 &
		until listens 1B58; do sleep 0.1; done'
	on one loads
	there '(feed) 2>/dev/null | nc 10.0.0.2 7001 >/dev/null 2>&1 &'
	on one turn
}

# next_life COMMAND...: that ends the daemon and starts another, at a random moment
next_life() {
	sleep "0.$((RANDOM % 900 + 100))"
	"$@"
	on one 'turn && pause'
	PAUSES+=("${ANSWER% *}")
	say "$SECONDS s: $*: a pause of ${ANSWER% *} ms"
}

# lives HOW-OFTEN COMMAND...: so many of them; their pauses
lives() {
	local n
	on one pause
	PAUSES=()
	for n in $(seq "$1"); do next_life "${@:2}"; done
	printf '%s\n' "${PAUSES[@]}" | sort -n | awk -v what="${*:2}" '{ v[NR] = $1 } END {
		printf "-- %d times %s: pauses of the disk p50 %d ms, p99 %d ms, under emulation\n",
			NR, what, v[int((NR + 1) / 2)], v[int(0.99 * NR + 0.99)] }'
}

# intact: the guest ends its loads; nothing was lost, and its kernel has no complaint
intact() {
	local fed took turns
	there ': >/tmp/stop'
	on one loads_end
	# shellcheck disable=SC2086
	read -r fed took turns <<<"$(echo $ANSWER)"
	there 'for _ in $(seq 300); do [ ! -s /tmp/took ] || break; sleep 0.2; done
		echo $(cat /tmp/took /tmp/fed)'
	[ "$ANSWER" = "$fed $took" ] || fail "it sent up to $fed and took up to $took; there: $ANSWER"
	on one complaints
	[ -z "$ANSWER" ] || fail "its kernel says: $ANSWER"
	say "$turns copies, numbers to $fed and to $took: all right"
}
