#!/bin/sh
# SPDX-License-Identifier: MIT
# What guests notice when the daemon dies, or is stopped, and another is started at once; run
# by tests/bench/run pause. The argument is how often each. The mark is 100 ms; nothing fails
# on it.
#
# A pause is the longest of a guest's reads, one at a time, in a run in which one daemon
# follows another: what is left of the old process, the start of the new one, and the
# resumption. Three other guests with two queues each are at work meanwhile.
. "$(dirname "$0")/../daemon/lib.sh"

times=$1
WORKERS= # as many as the daemon takes by itself

# percentiles FILE COLUMN: p50 and p99 of figures in ns or ms
percentiles() {
	awk -v c="$2" '{ print $c }' "$1" | sort -n | awk '{ v[NR] = $1 } END {
		printf "p50 %.0f, p99 %.0f, longest %.0f ms",
			v[int((NR + 1) / 2)], v[int(0.99 * NR + 0.99)], v[NR] }'
}

all_went_on() { [ "$(grep -c '4 devices go on' "$LOG")" = "$lives" ]; }

# life kill|stop: one more; a line "pause, ms since main(), age in ms, ms of CPU" goes to the file
life() {
	load_bg "$W/measured.out" "$measured" --rw randread --time 1 --timeout 30 --json
	pid=$BG
	state "$measured" back 4
	sleep 0.2
	case $1 in
	kill) daemon_kill ;;
	stop) daemon_stop ;;
	esac
	lives=$((lives + 1))
	daemon_start
	within 30 all_went_on || fail 'not all devices go on'
	ended $pid
	echo "$(get "$W/measured.out" '.latency_ns.max / 1e6')" \
		"$(sed -n 's/.*4 devices go on \([0-9]*\) ms .* was \([0-9]*\) ms old by then, and has run for \([0-9]*\) ms.*/\1 \2 \3/p' "$LOG" | tail -n 1)" \
		>>"$W/$1.$DOMAIN"
}

# measure DOMAIN-OPTION
measure() {
	DOMAIN=$1
	host
	lives=0
	measured=$(guest measured)
	attach "$measured" xvda "$(disk measured 64M)"
	for name in a b c; do
		d=$(guest $name)
		attach "$d" xvda "$(disk $name 64M)"
		load_bg "$W/$name.out" "$d" --rw randrw --verify --queues 2 --rate 2000 --depth 8 \
			--time 3600 --timeout 60
		beside="${beside:-} $BG"
		state "$d" back 4
	done
	for _ in $(seq "$times"); do life kill; life stop; done
	for p in $beside; do end "$p"; done
	beside=
	: >"$LOG"
	daemon_release_all
	for what in kill stop; do
		printf '%s, %s, %d times: pauses %s; served since main(): %s; age of the process then: %s; it has run for: %s\n' \
			"$what" "$1" "$times" "$(percentiles "$W/$what.$1" 1)" \
			"$(percentiles "$W/$what.$1" 2)" "$(percentiles "$W/$what.$1" 3)" \
			"$(percentiles "$W/$what.$1" 4)"
	done
}

# The host goes, with what it knows of processes that were killed.
daemon_release_all() {
	daemon_stop
	"$SIMXL" down >/dev/null 2>&1 || :
	rm -f "$TABLE"*
}

measure --domain=off
measure --domain=on
