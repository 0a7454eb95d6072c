#!/bin/sh
# SPDX-License-Identifier: MIT
# An impossible producer index: the ring is given up, the device closed with a message,
# once and for good. Arguments: of jump.c.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
offend jump "$@"
expect_error 1 'ring indices are impossible'
expect_row 1 rings_broken 1
paid exact_parse
expect_key "$(back 1)/state" 6
[ "$(dump | jq '[.rows[] | select(.domid == 1 and .state == "retired")] | length')" = 1 ] ||
	fail 'its row is not retired'
say 'for good: it is not let in again'
load 1 --connect-only --timeout 0.5 >"$W/again" 2>&1 && fail 'it is connected again'
undisturbed
finish
