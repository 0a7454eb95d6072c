# SPDX-License-Identifier: MIT
# What the tests of network devices share beyond lib.sh, which it sources; a test sources
# this instead.
#
# The whole test runs again in a network namespace of its own, which plays the driver
# domain: the daemon's TAPs (vif<domid>.<handle>) appear there, on a bridge xenbr0. A
# guest is a namespace xm<domid>, with `netload bridge` in it between its interface xen0
# and its vif. Nothing touches the machine's interfaces; namespaces and their names go
# when the test's last process does, however it ends. Besides what lib.sh needs, meson
# sets NETLOAD.
#
# lib.sh is the one next to the test, or LIB from there (../daemon/lib.sh).
#
# Guest N has 10.77.0.N and fd77::N, the driver domain 10.77.0.254 and fd77::fe.


# xmnet_try: what makes such a namespace, tried before the test is moved into it
xmnet_try() { unshare --net --mount sh -c "$1" 2>&1; }

if [ -z "${XMNET_INSIDE:-}" ]; then
	xmnet_skip() { echo "skipped: $*"; exit 77; }
	command -v ip >/dev/null || xmnet_skip 'needs ip (package iproute2)'
	[ "$(id -u)" = 0 ] || xmnet_skip 'needs root for network namespaces'
	[ -c /dev/net/tun ] || xmnet_skip 'needs /dev/net/tun'
	xmnet_why=$(xmnet_try 'ip tuntap add xmtry mode tap && ip link add xmbr type bridge') ||
		xmnet_skip "no namespace with a TAP and a bridge: $xmnet_why"
	XMNET_INSIDE=yes exec unshare --net --mount sh "$0" "$@"
fi

. "$(dirname "$0")/${LIB:-lib.sh}"

[ -n "${NETLOAD:-}" ] || skip 'NETLOAD is not set'
KIND=vif
BRIDGE=xenbr0
HOST4=10.77.0.254
HOST6=fd77::fe
# Names of namespaces that nobody else sees.
mount --make-rprivate /
mkdir -p /run/netns
mount -t tmpfs xmnetns /run/netns
# /sys shows the interfaces of the namespace it was mounted in.
mount -t sysfs xmsys /sys

# ---- the driver domain ----

# quiet: no IPv6, so that no interface sends by itself; in guests made from now on, too
QUIET=
quiet() { QUIET=yes; }

# net_calm [NAMESPACE]: what a namespace must not do by itself
net_calm() {
	local settings='net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
		net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.router_solicitations=0'
	[ -z "$QUIET" ] || settings='net.ipv6.conf.all.disable_ipv6=1
		net.ipv6.conf.default.disable_ipv6=1'
	local s
	for s in $settings; do
		# shellcheck disable=SC2086
		${1:+ip netns exec "$1"} sh -c \
			"echo ${s#*=} >/proc/sys/$(echo "${s%=*}" | tr . /)" 2>/dev/null || :
	done
}

# net_address NAMESPACE-OR-EMPTY INTERFACE LAST-OF-IPV4 LAST-OF-IPV6
net_address() {
	ip ${1:+-n "$1"} addr add "10.77.0.$3/24" dev "$2"
	[ -n "$QUIET" ] || ip ${1:+-n "$1"} addr add "fd77::$4/64" dev "$2" nodad
}

# net_host [DAEMON-OPTION...]: a host with a daemon and a bridge
net_host() {
	net_bridge
	host "$@"
}

net_bridge() {
	net_calm
	ip link set lo up
	ip link add "$BRIDGE" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
	ip link set "$BRIDGE" up
	net_address '' "$BRIDGE" 254 fe
}

# ---- vifs ----

has_link() { ip link show dev "$1"; }
no_link() { ! has_link "$1"; }
is_up() { ip -n "$1" link show dev "$2" up | grep -q .; }

# vif_plug DOMID [DEVID]: what the hotplug script does when the backend is in InitWait
vif_plug() {
	local name=vif$1.${2:-0}
	within 10 has_link "$name" || fail "no interface $name"
	ip link set "$name" master "$BRIDGE"
	ip link set "$name" up
	xenstore-write "$(back "$1" "${2:-0}")/hotplug-status" connected
}

# vif_attach DOMID [DEVID [OPTION...]]: a vif on the bridge
vif_attach() {
	local d=$1 v=${2:-0}
	shift
	[ $# = 0 ] || shift
	"$SIMXL" vif-attach "$d" "$v" --bridge "$BRIDGE" --no-script "$@"
	"$SIMXL" wait-state "$d" "vif:$v" back 2 10 || fail "vif $v of $d: no InitWait"
	vif_plug "$d" "$v"
}

# net_killed DOMID...: the daemon is killed, the next one goes on with these, which are all
# that are connected
net_killed() {
	local d before
	before=$(grep -c 'goes on where' "$LOG" || :)
	daemon_kill
	daemon_start
	all_go_on() { [ "$(grep -c 'goes on where' "$LOG")" -ge $((before + $#)) ]; }
	within 10 all_go_on "$@" || fail 'not all go on after a kill'
	for d; do within 10 forwards "$d" 0 || fail "the bridge does not forward for $d"; done
}

# ---- guests ----

# netload DOMID MODE [OPTION...]: as that guest, without a TAP
netload() {
	local d=$1; shift
	"$SIMXL" run "$d" "$NETLOAD" "$@"
}

# netload_bg FILE DOMID MODE [OPTION...]: in the background, its output in a file; sets
# BG to its pid
netload_bg() {
	local out=$1 d=$2; shift 2
	"$SIMXL" run "$d" "$NETLOAD" "$@" >"$out" 2>"$out.err" &
	BG=$!
	PIDS="$PIDS $BG"
}

# forwards DOMID DEVID: the bridge, if the vif is on one, forwards for it. It does so some
# time after the interface has a carrier, and drops what comes before that.
forwards() {
	local port=/sys/class/net/vif$1.$2/brport
	[ ! -e "$port" ] || [ "$(cat "$port/state")" = 3 ]
}

# netload_ready DOMID [DEVID]: until both ends are Connected, and frames get through
netload_ready() {
	"$SIMXL" wait-state "$1" "vif:${2:-0}" front 4 10 &&
		"$SIMXL" wait-state "$1" "vif:${2:-0}" back 4 10 ||
		fail "vif ${2:-0} of $1 does not connect"
	within 10 forwards "$1" "${2:-0}" || fail "the bridge does not forward for $1"
}

# netload_start FILE DOMID [OPTION...]: frames from that guest once they get through; in
# the background, the report in FILE; sets BG to its pid
netload_start() {
	local out=$1 d=$2; shift 2
	rm -f "$out.go"
	netload_bg "$out" "$d" generate --json --go "$out.go" "$@"
	netload_ready "$d"
	: >"$out.go"
}

# netload_send FILE DOMID [OPTION...]: likewise, to its end
netload_send() {
	netload_start "$@"
	wait "$BG" || { cat "$1" "$1.err"; fail "generate: $*"; }
}

# net_up DOMID [NETLOAD-OPTION...]: the guest's namespace and its interface xen0
net_up() {
	local d=$1 ns=xm$1; shift
	ip netns add "$ns" 2>/dev/null || :
	net_calm "$ns"
	ip -n "$ns" link set lo up
	ip netns exec "$ns" "$SIMXL" run "$d" "$NETLOAD" bridge --json "$@" \
		>"$W/$ns.out" 2>"$W/$ns.err" &
	eval "BRIDGE_$d=$!"
	PIDS="$PIDS $!"
	within 20 is_up "$ns" xen0 || { cat "$W/$ns.err"; fail "$ns: no xen0"; }
	net_address "$ns" xen0 "$d" "$d"
}

# net_down DOMID [CODE]: its bridge ends in good order; the report is $W/xm<domid>.out
net_down() {
	local pid; eval "pid=\$BRIDGE_$1"
	kill -TERM "$pid"
	ended "$pid" "${2:-0}"
}

# net_guest NAME [NETLOAD-OPTION...]: a guest with a vif and an interface; sets D
net_guest() {
	D=$(guest "$1"); shift
	vif_attach "$D"
	net_up "$D" "$@"
}

# in_guest DOMID COMMAND...
in_guest() {
	local ns=xm$1; shift
	ip netns exec "$ns" "$@"
}

# in_guest_bg DOMID COMMAND...: in the background until the test ends; sets BG to its pid
in_guest_bg() {
	local ns=xm$1; shift
	ip netns exec "$ns" "$@" &
	BG=$!
	PIDS="$PIDS $BG"
}

# clean DOMID: the report of its bridge has neither violations nor errors
clean() {
	expect_json "$W/xm$1.out" '.protocol_violations == 0 and .tx.error == 0 and
		.rx.error == 0 and .rx.thrown == 0 and .tap.to_tap_dropped == 0 and
		.tap.to_vif_dropped == 0 and .tap.unparsed == 0 and
		.verify.csum_bad == 0'
}

# iperf DOMID ARGUMENT...: iperf3 in that guest. A server that has not ended with the last
# client yet says that it is busy, and is asked again. What it printed is in $W/iperf.
iperf() {
	local domid=$1 tries=50; shift
	until in_guest "$domid" iperf3 "$@" >"$W/iperf" 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] && grep -q 'server is busy' "$W/iperf" || {
			cat "$W/iperf"
			fail "iperf3 $*"
		}
		sleep 0.1
	done
}
