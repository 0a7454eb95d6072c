#!/bin/sh
# SPDX-License-Identifier: MIT
# Without a `protocol` key it is the 32-bit layout, as Linux has it on x86; and
# the two layouts by name. blkfront writes both from the header, not from our code.
# It also checks that the answer to an indirect request carries the inner
# operation and an id in flight, and that the padding of every response is zero.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
for p in none x86_32-abi x86_64-abi; do
	say "$p"
	load "$d" --protocol $p --rw randrw --verify --depth 8 --number 500 \
		--indirect 32 --bs 16k --json >"$W/$p.out"
	expect_json "$W/$p.out" '.protocol_violations == 0 and .verify.errors == 0'
	[ $p != none ] || expect_no_key "$(front "$d")/protocol"
done
expect_row "$d" refused 0
finish
