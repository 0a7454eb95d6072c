#!/bin/sh
# SPDX-License-Identifier: MIT
# What ends a vif: alone, with a reason for the operator; with a new handshake and new
# rings the guest may come again.
. "$(dirname "$0")/net_lib.sh"

# lie NAME REASON
lie() {
	say "$1"
	offend net_fatal "$1"
	reason "broke queue 0: .*$2"
	N=$((N + 1))
	expect_row 1 rings_broken $N
}

net_scene
N=0
lie slots-22 'in 22 or more slots'
lie slots-endless 'in 22 or more slots'
lie unended 'goes on past the last request'
lie page 'crosses its page'
lie page-wrap 'crosses its page'
lie page-later 'crosses its page'
lie page-empty 'crosses its page'
lie extra-missing 'an extra that goes on past the last request'
lie extra-endless 'an extra that goes on past the last request'
lie extra-0 'an extra of unknown type'
lie extra-6 'an extra of unknown type'
lie extra-255 'an extra of unknown type'
lie gso-0 'into segments of 0 bytes'
lie gso-none 'segmentation of unknown type'
lie gso-99 'segmentation of unknown type'
expect_row 1 tx_frames $N
paid tx_parse_cycles
say 'a new ring is served'
netload 1 generate --number 100 --json >"$W/again.out"
expect_json "$W/again.out" '.tx.okay == 100 and .protocol_violations == 0'
quiet_log 200
net_undisturbed
finish
