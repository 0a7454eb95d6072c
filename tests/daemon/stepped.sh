#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed at single stores of serving one block request of each kind. The
# request is answered once, and well, the data is right, and the books balance.
# usage: stepped.sh [EVERY [SEED]]: stepped_lib.sh says what
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/stepped_lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
one_begin "$d" "$ONE_VBD"
ring=$(key "$(front "$d")/ring-ref")
for kind in read write flush barrier discard indirect; do
	step_through $kind "$d" "$ring"
	tell check
	answered
done
stepped
expect_key "$(back "$d")/state" 4
# Each was settled once, or its bill was lost.
settled=$(row "$d" requests) lost=$(row "$d" bills_lost)
one_end
say "$settled settled, $lost bills lost"
[ "$settled" -le "$ONE_LAST" ] && [ "$ONE_LAST" -le $((settled + lost)) ] ||
	fail 'a request was settled twice, or never'
finish
