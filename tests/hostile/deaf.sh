#!/bin/sh
# SPDX-License-Identifier: MIT
# An event channel that the guest closes under load, and binds anew where nobody asked it to.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
# The daemon's ports: what is left of them shows that none was kept.
ports() { "$SIMXL" list | awk '$1 == 0 { print $6 + $7 }'; }
ports0=$(ports)
offend deaf 20
expect_row 1 requests "$(cat "$W/offender")"
expect_row 1 errors 0
[ "$(ports)" = "$ports0" ] || fail "ports leak: $ports0 before, $(ports) after"
paid exact_parse
undisturbed
finish
