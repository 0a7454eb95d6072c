# SPDX-License-Identifier: MIT
# What the hostile tests of network devices share beyond lib.sh and tests/daemon/netlib.sh:
# neighbours on the offender's worker whose frames have to arrive, whole, while it offends.
# Guest 2 sends to guest 3, which sends each frame back; both check every byte of it.
# ETHER is a program that sends and catches Ethernet frames in the driver domain.
. "$(dirname "$0")/../daemon/netlib.sh"

# net_scene [VIF-OPTION...]: the offender, guest 1, with a vif beside the bridge; guests 2
# and 3 on it, busy with each other
net_scene() {
	quiet
	net_host
	# The offender does not tidy up after itself.
	LEAKS_MEANT='domain 1, pid [0-9]*: (gntshr|evtchn) handle closed'
	guest offender >/dev/null; guest neighbour >/dev/null; guest echo >/dev/null
	net_attach_offender "$@"
	vif_attach 2; vif_attach 3
	netload_bg "$W/echo.out" 3 echo --time 310 --json
	ECHO=$BG
	netload_ready 3
	netload_start "$W/neighbour.out" 2 --udp --csum blank --size 1200 --rate 400 \
		--dst 00:16:3e:00:03:00 --time 300 --linger 2
	NEIGHBOUR=$BG
}

# net_attach_offender [VIF-OPTION...]
net_attach_offender() {
	"$SIMXL" vif-attach 1 0 --no-script "$@"
	"$SIMXL" wait-state 1 vif:0 back 2 10 || fail 'the offender: no InitWait'
	within 10 has_link vif1.0 || fail 'no interface vif1.0'
	ip link set vif1.0 up
	xenstore-write "$(back 1 0)/hotplug-status" connected
}

# offend_bg PROGRAM [ARGUMENT...]: in the background; sets OFFENDER
offend_bg() {
	local p=$1; shift
	"$SIMXL" run 1 "$HOSTILE/$p" "$@" >"$W/offender" &
	OFFENDER=$!
	PIDS="$PIDS $OFFENDER"
}

# arrived: how many frames the driver domain's kernel had from the offender
arrived() { cat /sys/class/net/vif1.0/statistics/rx_packets; }

# reason PATTERN: the message for the operator; forgotten then, for the next
reason() {
	expect_error 1 "$1" 0
	xenstore-rm "$HOME0/error/backend/vif/1/0"
}

back_and_forth() { [ "$(row 2 rx_frames)" -ge $((N + ${1:-10})) ]; }

# The neighbours still talk, and not a byte of it was wrong or lost.
net_undisturbed() {
	kill -0 "$DAEMON" || fail 'the daemon has died'
	N=$(row 2 rx_frames)
	within 10 back_and_forth || fail 'the neighbours stand still'
	kill -INT "$NEIGHBOUR"; wait "$NEIGHBOUR" || :
	kill -INT "$ECHO"; wait "$ECHO" || :
	# It ends when all are back.
	expect_json "$W/neighbour.out" '.verify.bad == 0 and .verify.foreign == 0 and
		.verify.lost == 0 and .verify.good > 20 and .verify.good == .sent and
		.protocol_violations == 0 and .tx.error == 0 and .tx.dropped == 0'
	expect_json "$W/echo.out" '.verify.bad == 0 and .verify.foreign == 0 and
		.verify.lost == 0 and .protocol_violations == 0 and .tx.error == 0'
	local d; for d in 2 3; do
		for c in refused errors rings_broken control_requests; do expect_row $d $c 0; done
		for c in grant header tap; do expect_row $d tx_dropped_$c 0; done
		for c in grant size full tap; do expect_row $d rx_dropped_$c 0; done
	done
	few_events
}

# No guest had more events than answers (XSA-391).
few_events() {
	dump | jq -e '[.rows[] | select(.domid > 0) | .counters | .notifications <=
		.tx_frames + .rx_frames + .refused + .control_requests] | all' >/dev/null ||
		fail 'more events than responses'
}

# rss: of the daemon, KiB, without files
rss() { awk '/^RssAnon/ { print $2 }' "/proc/$DAEMON/status"; }

# flat BEFORE ROOM WHAT: memory did not grow by more KiB
flat() {
	local now; now=$(rss)
	say "memory: $1 KiB before, $now KiB after $3"
	[ "${SANITIZE:-none}" != none ] || [ "$now" -le $(($1 + $2)) ] || fail 'memory grows'
}

# quiet_log LINES
quiet_log() {
	local n; n=$(wc -l <"$LOG")
	[ "$n" -lt "$1" ] || fail "the log is flooded: $n lines"
}

# paid COUNTER: the offender's row has it
paid() {
	[ "$(row 1 "$1")" -gt 0 ] || fail "the offender has not paid: $1"
}

# starve SECONDS: the offender gives no room for so long, while a thousand frames a second
# come for it; SENDER sends them
starve() {
	ip link set vif1.0 txqueuelen 100
	"$HOSTILE/ether" send vif1.0 10000000 1000 1000 &
	SENDER=$!
	PIDS="$PIDS $SENDER"
	offend_bg net_slow "$1"
	within 10 grep -q starving "$W/offender" || fail 'not connected'
}
