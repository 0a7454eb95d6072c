# SPDX-License-Identifier: MIT
# What the hostile tests share beyond tests/daemon/lib.sh: a neighbour on the offender's
# worker, whose verified I/O has to go on, and the offender itself. HOSTILE is where the
# programs are.
. "$(dirname "$0")/../daemon/lib.sh"

# scene TARGET [OPTION...]: a host, the offender as guest 1 with that disk, its neighbour
# as guest 2 under load
scene() {
	host
	# The offender does not tidy up after itself.
	LEAKS_MEANT='domain 1, pid [0-9]*: gntshr handle closed'
	guest offender >/dev/null; guest neighbour >/dev/null
	attach 1 xvda "$@"
	attach 2 xvda "$(disk neighbour 16M)"
	load_bg "$W/neighbour.out" 2 --rw randrw --verify --depth 4 --time 300 --json
	NEIGHBOUR=$BG
	state 2 back 4
}

# offend PROGRAM [ARGUMENT...]: as the offender; its output goes to $W/offender
offend() {
	local p=$1; shift
	timeout 60 "$SIMXL" run 1 "$HOSTILE/$p" "$@" >"$W/offender" || fail "$p $* (code $?)"
}

moves() { [ "$(row 2 requests)" -gt "$N" ]; }

# The neighbour still moves, and nothing is wrong with its data.
undisturbed() {
	kill -0 "$DAEMON" || fail 'the daemon has died'
	N=$(row 2 requests)
	within 10 moves || fail 'the neighbour stands still'
	kill -INT "$NEIGHBOUR"
	wait "$NEIGHBOUR" || :
	expect_json "$W/neighbour.out" '.verify.errors == 0 and .errors.error == 0 and
		.protocol_violations == 0 and .stuck_operations == 0 and .operations > 20'
	expect_row 2 errors 0
}

# paid COUNTER: the offender's row has cycles there
paid() {
	[ "$(row 1 "$1")" -gt 0 ] || fail "the offender has not paid: $1"
}
