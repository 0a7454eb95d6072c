#!/bin/sh
# SPDX-License-Identifier: MIT
# A disk is taken away under load: the guest drains and closes in good order, nothing is
# wrong with its data, and its neighbour does not notice.
. "$(dirname "$0")/lib.sh"

host
one=$(guest one); two=$(guest two)
attach "$one" xvda "$(disk a 16M)"
attach "$two" xvda "$(disk b 16M)"
load_bg "$W/two.out" "$two" --rw randrw --verify --depth 4 --time 4 --json; two_pid=$BG
for mode in --persistent --grant-each; do
	load_bg "$W/one.out" "$one" --rw randrw --verify --depth 16 --time 30 --indirect 32 \
		--bs 32k $mode --json
	state "$one" back 4
	sleep 0.5
	"$SIMXL" block-detach "$one" xvda
	within 5 gone "$BG" || fail 'the guest does not end'
	wait "$BG" || :
	expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0 and
		.stuck_operations == 0 and .protocol_violations == 0 and .operations > 10 and
		.completed == ([.ring_requests[]] | add)'
	expect_no_key "$(back "$one")/state"
	attach "$one" xvda "$W/a"
done
n=$(dump | jq "[.rows[] | select(.domid == $one and .queue != null and .state == \"retired\")] | length")
[ "$n" = 2 ] || fail "$n retired rows"
ended "$two_pid"
expect_json "$W/two.out" '.verify.errors == 0 and .errors.error == 0 and .operations > 50'
finish
