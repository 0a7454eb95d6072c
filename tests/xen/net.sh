# SPDX-License-Identifier: MIT
# For scenarios of network devices; sourced in dom0.
#
# Guest number N is 10.0.0.N and fd00::N, dom0 is number 1. A guest does what it is asked:
# `on` waits for the answer, `begin` and `finish` leave time for something else.

declare -A BEGUN=() # how many things each guest was asked for

# bridge_up: a new bridge, with dom0's addresses
bridge_up() {
	ip link delete xenbr0 2>/dev/null || :
	ip link add xenbr0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
	ip link set xenbr0 up
	ip address add 10.0.0.1/24 dev xenbr0
	ip address add fd00::1/64 dev xenbr0 nodad
	iperf3 -s >/dev/null 2>&1 &
	[ -p /tmp/hold ] || mkfifo /tmp/hold
}

# vif NUMBER [OPTION...]: a vif for xl, for a config or xl network-attach
vif() {
	printf 'mac=00:16:3e:00:00:%02x,bridge=xenbr0' "$1"
	shift
	[ $# = 0 ] || printf ',%s' "$@"
}

# net_guest NAME NUMBER [OPTION-OF-VIF...]: with RAMDISK=net, unless another is told, with
# DISKS, a line of its config, and JOB, what it runs before it does as it is asked
net_guest() {
	local name=$1 number=$2
	shift 2
	BEGUN[$name]=0
	RAMDISK=${RAMDISK:-net} guest "$name" ${DISKS:+"$DISKS"} "vif=[\"$(vif "$number" "$@")\"]" \
		< <(echo "number=$number"; echo "${JOB:-}"; cat /xm/guest-net.sh)
}

# begin GUEST COMMAND...
begin() {
	local name=$1
	shift
	BEGUN[$name]=$((BEGUN[$name] + 1))
	send "$name" ask "${BEGUN[$name]} $*"
}

# finish GUEST [SECONDS]: sets ANSWER to what the command said; returns how it ended
finish() {
	local name=$1 path events watch code=
	path=/local/domain/$(domid "$name")/data/answer || fail "$name is gone"
	exec {events}< <(exec xenstore-watch "$path")
	watch=$!
	while [ -z "$code" ]; do
		read -r -t $((${2:-150} * PATIENCE)) -u "$events" _ || fail "$name does not answer"
		ANSWER=$(xenstore-read -R "$path" 2>/dev/null) || continue
		[ "${ANSWER%% *}" = "${BEGUN[$name]}" ] || continue
		ANSWER=${ANSWER#* }
		code=${ANSWER%% *}
		ANSWER=${ANSWER#* }
	done
	kill "$watch"
	exec {events}<&-
	return "$code"
}

# on GUEST COMMAND...: it has to end well
on() {
	begin "$@"
	finish "$1" || fail "$*: $ANSWER"
}

# up GUEST: waits until it has its addresses; sets SUM, the checksum of its /tmp/data
up() {
	finish "$1" || fail "$1 does not come up"
	SUM=$ANSWER
}

# ping_all GUEST NUMBER...
ping_all() {
	local name=$1 n
	shift
	for n in "$@"; do
		on "$name" "reach 10.0.0.$n && reach fd00::$n && reach -s 5000 10.0.0.$n"
	done
}

# iperf GUEST ADDRESS OPTION...: sets ANSWER to the receiver's line
iperf() {
	local name=$1
	shift
	on "$name" "iperf3 -i 0 -f m -c $* | grep -E 'receiver|error'"
	say "$name iperf3 $*: $(echo $ANSWER | cut -d ' ' -f 5-)"
}

# both_ways GUEST NUMBER: its /tmp/data to dom0 and back, unchanged. A listening nc whose
# stdin ends closes its side, and the sender would end early.
both_ways() {
	local sum sink
	exec {sink}< <(nc -l -p 7000 <>/tmp/hold | tee /tmp/copy | md5sum)
	on "$1" 'transfer 10.0.0.1 7000'
	read -r -t 60 -u "$sink" sum _ || fail "$1's data do not arrive"
	exec {sink}<&-
	[ "$sum" = "$SUM" ] || fail "$1's data arrive changed: $(wc -c </tmp/copy) bytes"
	begin "$1" 'sink 7000'
	within 90 nc -w 30 "10.0.0.$2" 7000 </tmp/copy || fail "no data to $1"
	finish "$1" 60 || fail "$1: $ANSWER"
	[ "$ANSWER" = "$SUM" ] || fail "data arrive changed in $1"
}

# Of a table's rows for vifs: the sums of frames and bytes sent, given; less Ethernet headers
# in what is given, which Linux does not count.
row_sums='map(select(.devid == 0 and .queue != null) | .counters |
	[.tx_frames, .tx_bytes, .rx_frames, .rx_bytes - 14 * .rx_frames]) |
	transpose | map(add) | join(" ")'

# rows GUEST: sets HAVE to the sums of its live rows
rows() {
	HAVE=$(xenmeter dump --json | jq -r --arg n "$1" ".rows | map(select(.name == \$n)) | $row_sums")
}

# agree GUEST [FUNCTION]: its own counters say the same as its rows, when nothing is on its
# way; FUNCTION sets HAVE as rows does
agree() {
	local counted figures='cd /sys/class/net/eth0/statistics &&
		echo $(cat tx_packets tx_bytes rx_packets rx_bytes) $(cat ??_errors ??_dropped)'
	for _ in 1 2 3 4 5 6; do
		on "$1" "$figures"
		counted=$ANSWER
		"${2:-rows}" "$1"
		[ "$counted" != "$HAVE 0 0 0 0" ] || break
	done
	say "$1: its counters: $counted; its rows: $HAVE"
	[ "$counted" = "$HAVE 0 0 0 0" ] || fail 'they disagree'
}
