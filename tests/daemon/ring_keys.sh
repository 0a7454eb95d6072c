#!/bin/sh
# SPDX-License-Identifier: MIT
# All names that ring pages and their number go by are taken: ring-ref and ring-ref0..,
# ring-page-order and num-ring-pages. A stale key of a former frontend does not count: a
# ring-ref without ring-page-order was once mapped by the ring-ref0 that stood beside it.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
for way in one one-numbered one-ordered one-counted four-counted four-both \
	one-stale one-numbered-stale four-stale; do
	say $way
	"$SIMXL" run "$d" "$RING_KEYS" $way
done
expect_row "$d" errors 0
expect_row "$d" requests 2700
finish
