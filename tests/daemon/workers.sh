#!/bin/sh
# SPDX-License-Identifier: MIT
# How many workers there are where nobody says it, and which of them serve a device: the
# queues of a disk are spread over all, those of a network interface stay with one.
. "$(dirname "$0")/lib.sh"

# workers NUMBER: so many serve
workers() { expect_json "$W/dump" "[.workers[] | select(.kind == \"worker\")] | length == $1"; }

say 'one CPU'
"$SIMXL" up
cpu=$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')
# The tests' own host is told how many; this one is not.
WORKERS=
alone=$XENMETERD
XENMETERD="taskset --cpu-list $cpu $alone"
daemon_start
dump >"$W/dump"
workers 1
daemon_stop

say 'as many as CPUs, but for four'
XENMETERD=$alone
daemon_start
dump >"$W/dump"
cpus=$(nproc)
workers $((cpus < 4 ? cpus : 4))
daemon_stop

say 'who serves what'
daemon_start --workers 3
d=$(guest one)
attach "$d" xvda null:1G
# granted: pages that are granted to this domain itself, for frames
granted() { "$SIMXL" list | awk '$1 == 0 { print $4 }'; }
before=$(granted)
load_bg "$W/one.out" "$d" --queues 6 --depth 1 --time 600
state "$d" back 4
[ "$(granted)" = "$before" ] || fail 'pages for frames, and there is no interface'
"$SIMXL" vif-attach "$d" 0 --set type=null
"$SIMXL" run "$d" "$NETLOAD" sink --queues 4 -n 1000 --json >"$W/net.out"
[ $(($(granted) - before)) = $((512 / 3)) ] || fail "$(granted) pages of its own are granted, and were $before"
dump >"$W/dump"
# shellcheck disable=SC2016
spread='[.rows[] | select(.domid == $d and .device == $k and .queue != null) | .worker]
	| group_by(.) | map(length)'
[ "$(jq -c --argjson d "$d" --arg k vbd "$spread" "$W/dump")" = '[2,2,2]' ] ||
	fail "the disk's queues: $(jq -c --argjson d "$d" --arg k vbd "$spread" "$W/dump")"
[ "$(jq -c --argjson d "$d" --arg k vif "$spread" "$W/dump")" = '[4]' ] ||
	fail "the vif's queues: $(jq -c --argjson d "$d" --arg k vif "$spread" "$W/dump")"
end "$BG"
finish
