#!/bin/sh
# SPDX-License-Identifier: MIT
# What a backend publishes, and when.
. "$(dirname "$0")/lib.sh"

host --verbose
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
b=$(back "$d")

state "$d" back 2
expect_key "$b/feature-persistent" 1
expect_key "$b/feature-max-indirect-segments" 256
expect_key "$b/multi-queue-max-queues" 8
# Both names of the ring's greatest size.
expect_key "$b/max-ring-page-order" 4
expect_key "$b/max-ring-pages" 16
# The size is the disk's, and may still change: not before Connected.
expect_no_key "$b/sectors"

load_bg "$W/hold.out" "$d" --hold 20
state "$d" back 4
expect_key "$b/feature-flush-cache" 1
expect_key "$b/feature-barrier" 1
# In 512-byte units.
expect_key "$b/sectors" 32768
expect_key "$b/sector-size" 512
expect_key "$b/info" 0
# Both or neither.
expect_key "$b/feature-discard" 1
expect_key "$b/discard-granularity" "$(stat -c %o "$W/a")"
expect_key "$b/discard-alignment" 0
expect_key "$b/discard-secure" 0
end "$BG"

# What one asks first where something is wrong.
grep -q "xenmeterd [0-9.]*, tables of version [0-9]*, traces of version [0-9]*; Linux " "$LOG" || fail 'versions'
grep -q "table $TABLE, trace $TABLE.trace, journals $TABLE.journal" "$LOG" || fail 'paths'
grep -q "backend/vbd/$d/51712 (one): disk: 32768 sectors of 512, .*x86_64-abi, persistent grants" "$LOG" || { cat "$LOG"; fail 'what was negotiated'; }
finish
