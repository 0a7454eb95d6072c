#!/bin/sh
# SPDX-License-Identifier: MIT
# A flood of unknown operations: each is answered, counted and paid for.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
offend flood ops 50000
expect_row 1 requests 50000
expect_row 1 refused 50000
paid refused_cycles
say "$(($(row 1 refused_cycles) / 50000)) cycles each"
[ "$(wc -l <"$LOG")" -lt 20 ] || fail 'the log is flooded'
undisturbed
finish
