#!/bin/sh
# SPDX-License-Identifier: MIT
# Contiguous pages under different grants, and one grant twice in a request (XSA-229).
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
for each in '' each; do
	offend contiguous $each
	sent=$(cat "$W/offender")
	say "$sent requests${each:+, copied}"
	all=$((${all:-0} + sent))
done
expect_row 1 requests "$all"
expect_row 1 errors 0
paid exact_grant
undisturbed
finish
