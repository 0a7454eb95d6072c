# SPDX-License-Identifier: MIT
# What the tests of the daemon as a process share; a test sources it first.
#
# It gives the test a directory $W of its own with a simulated host, a table and disks
# in it, and cleans all of it up when the test ends, however that comes about. After a
# failure it prints the daemon's log and what the store says of the backends. meson sets
# SIMXL, XENMETERD, XENMETER, ROW_SUM, BLKLOAD and XENBLK (the nbdkit plugin), and
# SANITIZE (its b_sanitize). PLAIN_BUILD, if set, is a build without sanitizers, whose
# simxl and row_sum a test takes: it starts them hundreds of times.
#
# A test ends with `finish`: the daemon has to exit with 0, its books to balance, and the
# host to be free of leaked handles, ports and grants.

set -eu

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }
say() { echo "-- $*"; }
# need PROGRAM PACKAGE
need() { command -v "$1" >/dev/null || skip "needs $1 (package $2)"; }

[ -n "${SIMXL:-}" ] || skip 'to be run by meson test'
[ -z "${PLAIN_BUILD:-}" ] || {
	SIMXL=$PLAIN_BUILD/tests/sim/simxl
	ROW_SUM=$PLAIN_BUILD/tests/daemon/row_sum
}
need jq jq
need xenstore-read xenstore-utils

W=$(mktemp -d "${TMPDIR:-/tmp}/xmd.XXXXXX")
XENSIM_DIR=$W/xen
XENSTORED_PATH=$XENSIM_DIR/xenstored.0
export XENSIM_DIR XENSTORED_PATH
TABLE=$W/table
LOG=$W/log
DAEMON=
PIDS=
LOOPS=
# Leaks that a test causes on purpose: an extended regular expression.
LEAKS_MEANT=
# On any machine the same, where a test does not ask for more.
WORKERS=--workers=1
# What the whole machine does is measured only where a test asks for it.
DOMAIN=--domain=off
HOME0=/local/domain/0
: >"$LOG"

# ---- start and stop ----

cleanup() {
	code=$?
	trap - EXIT INT TERM
	trap '' PIPE # whoever reads us may be gone, we still clean up
	set +e
	if [ $code != 0 ] && [ $code != 77 ]; then
		echo "---- the store's backends:"
		timeout 5 xenstore-ls "$HOME0/backend" 2>&1 | head -150
		timeout 5 xenstore-ls "$HOME0/error" 2>/dev/null
		echo "---- the daemon's log:"
		tail -n 150 "$LOG"
	fi
	for p in $PIDS $DAEMON; do kill -KILL "$p" 2>/dev/null; done
	wait
	timeout 30 "$SIMXL" down >/dev/null 2>&1
	for l in $LOOPS; do losetup -d "$l"; done
	rm -rf "$W"
	exit $code
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# within SECONDS COMMAND...: until it succeeds
within() {
	local tries=$(($1 * 50)); shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.02
	done
}

# fds: how many descriptors the daemon has. The simulated Xen has one open for each peer
# that it now and then has to wake: those are left out.
fds() { find "/proc/$DAEMON/fd" ! -lname '*/xen/evtchn.*' | wc -l; }

# fds_back BEFORE: it has no more than these, in the end; the last device may be closing
fds_back() {
	no_more() { [ "$(fds)" -le "$1" ]; }
	within 10 no_more "$1" || fail "descriptors leak: $1, then $(fds)"
}

serving() { [ "$(grep -c 'serving with' "$LOG")" -gt "$SERVED" ]; }
serving_or_dead() { serving || ! kill -0 "$DAEMON"; }

# Guests are served before it is known whether the domain is measured.
domain_said() { [ "$(grep -c "the domain's CPU is" "$LOG")" -gt "$DOMAIN_SAID" ]; }
domain_said_or_dead() { domain_said || ! kill -0 "$DAEMON"; }

# daemon_start [OPTION...]
daemon_start() {
	SERVED=$(grep -c 'serving with' "$LOG" || :)
	DOMAIN_SAID=$(grep -c "the domain's CPU is" "$LOG" || :)
	# shellcheck disable=SC2086
	"$SIMXL" run 0 $XENMETERD --table "$TABLE" $DOMAIN $WORKERS "$@" 2>>"$LOG" >&2 &
	DAEMON=$!
	within 20 serving_or_dead || fail 'the daemon does not start'
	serving || fail 'the daemon ended at its start'
	[ "$DOMAIN" = --domain=off ] || within 30 domain_said_or_dead ||
		fail "it does not say whether the domain's CPU is measured"
}

# host [DAEMON-OPTION...]: a host with a daemon
host() {
	"$SIMXL" up
	daemon_start "$@"
}

# host_for USER [DAEMON-OPTION...]: one whose daemon gives up its rights for that user. The
# simulated Xen has no devices, but files of root's, and journals are beside the table.
host_for() {
	local user=$1; shift
	umask 0
	mkdir "$W/table.d"
	chmod 755 "$W"
	TABLE=$W/table.d/table
	"$SIMXL" up
	chmod 777 "$XENSIM_DIR"
	daemon_start --user "$user" "$@"
}

daemon_stop() {
	kill -TERM "$DAEMON" || fail 'the daemon has died'
	local code=0; wait "$DAEMON" || code=$?
	DAEMON=
	[ $code = 0 ] || fail "the daemon's exit code is $code"
}

# daemon_release: what a daemon that was stopped or killed served is closed
daemon_release() {
	"$SIMXL" run 0 "$XENMETERD" --table "$TABLE" --release 2>>"$LOG" || fail 'release'
}

daemon_kill() {
	kill -KILL "$DAEMON"
	daemon_gone
}

# daemon_gone: it was killed by something else
daemon_gone() {
	wait "$DAEMON" 2>/dev/null || :
	LEAKS_MEANT="${LEAKS_MEANT:+$LEAKS_MEANT|}pid $DAEMON:"
	DAEMON=
}

# helper DOMID: prints the pid of the guest's storage helper
helper() { pgrep -x "storage-$1" -P "$(pgrep -d, -P "$DAEMON")"; }

balanced() {
	"$XENMETER" check --stopped --table "$TABLE" >"$W/check" || {
		cat "$W/check"
		fail 'xenmeter check'
	}
}

finish() {
	[ -z "$DAEMON" ] || { balanced; daemon_stop; }
	balanced
	grep '^check:' "$W/check"
	local code=0; "$SIMXL" down >"$W/leaks" || code=$?
	if [ -n "$LEAKS_MEANT" ]; then
		grep -Ev "$LEAKS_MEANT" "$W/leaks" >"$W/leaks.left" || :
		[ ! -s "$W/leaks.left" ] || { cat "$W/leaks.left"; fail 'leaks'; }
	else
		[ $code = 0 ] || { cat "$W/leaks"; fail 'leaks'; }
	fi
}

# ---- guests and disks ----

# guest NAME [OPTION...]: prints the domid
guest() { "$SIMXL" create "$@"; }

# disk NAME SIZE: prints the path of a file with holes
disk() { truncate -s "$2" "$W/$1"; echo "$W/$1"; }

# attach DOMID VDEV TARGET [OPTION...]
attach() { "$SIMXL" block-attach "$@"; }

# load DOMID [OPTION...]: blkload as that guest
load() {
	local d=$1; shift
	"$SIMXL" run "$d" "$BLKLOAD" "$@"
}

# load_bg FILE DOMID [OPTION...]: the same in the background, its output in a file;
# sets BG to its pid
load_bg() {
	local out=$1 d=$2; shift 2
	"$SIMXL" run "$d" "$BLKLOAD" "$@" >"$out" 2>&1 &
	BG=$!
	PIDS="$PIDS $BG"
}

# ended PID [CODE]: wait for the end of a background process
ended() {
	local code=0; wait "$1" || code=$?
	[ $code = "${2:-0}" ] || { cat "$W"/*.out 2>/dev/null; fail "exit code $code of pid $1"; }
}

# gone PID: it has ended, whether waited for or not
gone() { ! grep -q '^State:	[^Z]' "/proc/$1/status" 2>/dev/null; }

# end PID [CODE]: have it end in good order
end() { kill -TERM "$1" && ended "$@"; }

# walk STEP... and walk_vif: a frontend of $d that goes through these states
walk() { "$SIMXL" run "$d" "$STATEWALK-vbd" "$@" || fail "walk $*"; }
walk_vif() { "$SIMXL" run "$d" "$STATEWALK-vif" "$@" || fail "walk_vif $*"; }

# plugin DOMID KEYS COMMAND: run a shell command with $uri of that guest's disk
plugin() {
	need nbdkit nbdkit
	[ -e "$XENBLK" ] || skip 'built without the nbdkit plugin'
	local d=$1 keys=$2 command=$3 preload='' options=''
	if [ "${SANITIZE:-none}" != none ]; then
		# nbdkit itself is not sanitized, and neither is what it runs.
		preload=$(cc -print-file-name=libasan.so)
		options=detect_leaks=0
		command="unset LD_PRELOAD; $command"
	fi
	# shellcheck disable=SC2086
	"$SIMXL" run "$d" env ${preload:+LD_PRELOAD=$preload} \
		${options:+ASAN_OPTIONS=$options} \
		nbdkit -U - "$XENBLK" $keys -t 16 --run "$command"
}

# ---- the store ----

back() { echo "$HOME0/backend/${KIND:-vbd}/$1/${2:-51712}"; }
front() { echo "/local/domain/$1/device/vbd/${2:-51712}"; }
key() { xenstore-read "$1" 2>/dev/null; }
is() { [ "$(key "$1")" = "$2" ]; }

# expect_key PATH VALUE
expect_key() { is "$1" "$2" || fail "$1 is '$(key "$1" || echo absent)', not '$2'"; }
expect_no_key() { ! key "$1" >/dev/null || fail "$1 is '$(key "$1")', should be absent"; }
# state DOMID WHAT(front|back) STATE
state() { "$SIMXL" wait-state "$1" "${4:-51712}" "$2" "$3" 10; }

# expect_error DOMID PATTERN [DEVID]: the message for the operator
expect_error() {
	local e=$HOME0/error/backend/${KIND:-vbd}/$1/${3:-51712}/error
	within 10 key "$e" || fail "no $e"
	key "$e" | grep -Eq -- "$2" || fail "$e is '$(key "$e")', not like '$2'"
}

# ---- the table ----

dump() { "$XENMETER" dump --json --all --table "$TABLE"; }

# row DOMID COUNTER: the sum over all rows that the domain ever had
row() { "$ROW_SUM" "$TABLE" "$1" "$2"; }

# expect_row DOMID COUNTER VALUE
expect_row() {
	local r; r=$(row "$1" "$2")
	[ "$r" = "$3" ] || fail "domain $1: $2 is $r, not $3"
}

# json FILE FILTER: exits with the filter's truth
json() { jq -e "$2" "$1" >/dev/null; }
expect_json() { json "$1" "$2" || { cat "$1"; fail "not so: $2"; }; }
# get FILE FILTER
get() { jq -r "$2" "$1"; }
