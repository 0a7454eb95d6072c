# SPDX-License-Identifier: MIT
# For scenarios in which a guest goes from one domain to the next; sourced in dom0.
. /xm/net.sh

# at_work [LINE-OF-CONFIG...]: the daemon, and the guest `one` that writes to its disk, reads
# back what it has written, and sends pings
at_work() {
	bridge_up
	file=$(image one.img 16M)
	daemon_start
	guest one "$@" "$(disks "$(disk xvda "$file")")" "vif=[\"$(vif 2)\"]" <<'JOB'
ip link set eth0 up
ip address add 10.0.0.2/24 dev eth0
device xvda
dd if=/dev/urandom of=/tmp/data bs=64k count=8 2>/dev/null
ping -q -i 0.1 -s 1400 10.0.0.1 >/tmp/ping &
turn=0
while ! xenstore-read control/xm-stop >/dev/null 2>&1; do
	dd if=/tmp/data of=/dev/xvda bs=16k oflag=direct 2>/dev/null
	dd if=/dev/xvda of=/tmp/back bs=16k count=32 iflag=direct 2>/dev/null
	cmp /tmp/data /tmp/back
	turn=$((turn + 1))
	tell turn $turn
done
tell stat "$(cat /sys/block/xvda/stat)"
tell data "$(md5sum </tmp/data)"
tell complaints "$(dmesg | grep -ciE 'I/O error|blkfront: .*(fail|error)|netfront.*(fail|error)')"
JOB
	goes_on 'at work'
}

turns() { xenstore-read "/local/domain/$(domid one)/data/turn"; }
later() { [ "$(turns)" -gt "$1" ]; }
# goes_on STEP: the disk's load makes turns, and dom0 reaches the guest
goes_on() {
	local turn
	turn=$(told one turn)
	within 120 later $((turn + 1)) || fail "$1: the guest's disk stands still"
	within 120 ping -q -c 3 -i 0.2 -W 5 10.0.0.2 || fail "$1: the guest is not reached"
	say "$SECONDS s: $1: turn $(turns), domain $(domid one)"
}
# live NAME: all rows that are live are this guest's, of its present domain
live() {
	xenmeter dump --json | jq -e --arg n "$1" --argjson id "$(domid "$1")" '
		[.rows[] | select(.state == "live")] | length == 4 and
			all(.name == $n and .domid == $id)'
}
expect_live() { within 120 live "$1" || fail "the rows are not $1's"; }

# quiet COMMAND...: what it says is shown only if it fails
quiet() {
	"$@" >/tmp/said 2>&1 || {
		cat /tmp/said
		fail "$*"
	}
}

# intact: the guest ends its work; its data, kernel log and rows are as they should be
intact() {
	local reads writes asked
	send one stop 1
	worked one 60
	[ "$(told one complaints)" = 0 ] || fail "its kernel says: $(told one complaints) errors"
	[ "$(dd if="$file" bs=64k count=8 2>/dev/null | md5sum)" = "$(told one data)" ] ||
		fail 'other data in the file'
	# What was under way when the guest was stopped is asked for once more: one request each time.
	read -r reads _ _ _ writes _ <<<"$(told one stat)"
	asked=$(xenmeter dump --json --all | jq '[.rows[].counters | .read_requests + .write_requests] | add')
	say "$((reads + writes)) requests of the guest, $asked in rows"
	[ $((asked - reads - writes)) -ge 0 ] && [ $((asked - reads - writes)) -le 2 ] ||
		fail "$asked requests in rows, not $((reads + writes))"
	expect_json '[.rows[].counters.errors] | add == 0'
	destroy one
	balanced
}
