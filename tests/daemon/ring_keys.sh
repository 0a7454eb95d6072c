#!/bin/sh
# SPDX-License-Identifier: MIT
# All names that ring pages and their number go by are taken: ring-ref and ring-ref0..,
# ring-page-order and num-ring-pages.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
for way in one one-numbered one-ordered one-counted four-counted four-both; do
	say $way
	"$SIMXL" run "$d" "$RING_KEYS" $way
done
expect_row "$d" errors 0
expect_row "$d" requests 1800
finish
