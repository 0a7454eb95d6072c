#!/bin/sh
# SPDX-License-Identifier: MIT
# An indirect page that is rewritten while the daemon reads it (XSA-155).
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
count=2000
offend rewrite $count
failed=$(cat "$W/offender")
say "of $count requests, $failed failed"
# Else they never raced.
[ "$failed" -gt 0 ] && [ "$failed" -lt $count ] || fail 'only one outcome was seen'
expect_row 1 requests $((count + 2))
expect_row 1 errors "$failed"
[ "$(row 1 refused)" -gt 0 ] || fail 'no list was refused'
paid exact_grant
undisturbed
finish
