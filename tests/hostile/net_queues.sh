#!/bin/sh
# SPDX-License-Identifier: MIT
# The number of queues changes with each connection, and keys are wrong in between.
. "$(dirname "$0")/net_lib.sh"

net_scene
offend net_queues
sent=$(cat "$W/offender")
say "$sent frames over all queues"
expect_row 1 tx_frames "$sent"
expect_row 1 rings_broken 0
reason '.'
[ "$(dump | jq '[.rows[] | select(.domid == 1 and .queue != null and .state != "retired")] | length')" = 0 ] ||
	fail 'a row is in use'
paid tx_grant_cycles
quiet_log 400
net_undisturbed
finish
