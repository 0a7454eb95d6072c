#!/bin/sh
# SPDX-License-Identifier: MIT
# An impossible producer index: the ring is given up for good, the device closed with a
# message. With a new handshake and a new ring the guest may come again, as with Linux's
# xen-blkback. Arguments: of jump.c.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
offend jump "$@"
expect_error 1 'ring indices are impossible'
expect_row 1 rings_broken 1
paid exact_parse
expect_key "$(back 1)/state" 6
[ "$(dump | jq '[.rows[] | select(.domid == 1 and .queue != null and .state == "retired")] | length')" = 1 ] ||
	fail 'its row is not retired'
say 'a new ring is served'
load 1 --number 100
undisturbed
finish
