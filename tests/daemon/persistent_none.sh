#!/bin/sh
# SPDX-License-Identifier: MIT
# feature-persistent is offered only while there are persistent grants to be had. Queues
# share them by use: sixteen that use none leave all to others, and those that use as many as
# their guest may have leave none, until they are returned.
. "$(dirname "$0")/lib.sh"

# offers DEVID VALUE
offers() {
	state "$d" back 2 "$1"
	expect_key "$(back "$d" "$1")/feature-persistent" "$2"
}
# reads DEVID: many pages of each of its eight queues
reads() {
	load_bg "$W/$1.out" "$d" --devid "$1" --persistent --queues 8 --depth 8 --rw randread --bs 1M \
		--indirect 256 --time 300
}

host
d=$(guest one)
for v in xvda xvdb xvdc; do attach "$d" $v null:16M; done
offers 51712 1
for v in xvda xvdb; do
	load_bg "$W/hold.out" "$d" --devid $v --persistent --queues 8 --hold 300
	eval "hold_$v=$BG"
done
state "$d" back 4 51712
state "$d" back 4 51728
attach "$d" xvdd null:16M
offers 51760 1
end "$hold_xvda"; end "$hold_xvdb"

say 'none are left'
for v in xvda xvdb xvdc; do reads $v; eval "reads_$v=$BG"; done
mapped() { dump | jq '[.rows[] | select(.domid == 1 and .queue != null) | .counters.pages_mapped] | add'; }
all_mapped() { [ "$(mapped)" -ge 8448 ]; }
within 30 all_mapped || fail "$(mapped) are mapped"
attach "$d" xvde null:16M
offers 51776 0
load "$d" --devid xvde --persistent --number 100
other=$(guest two)
attach "$other" xvda null:16M
state "$other" back 2
expect_key "$(back "$other")/feature-persistent" 1

say 'they are returned'
for v in xvda xvdb xvdc; do eval "end \$reads_$v"; done
for n in 51712 51728 51744; do state "$d" back 6 $n; done
attach "$d" xvdf null:16M
offers 51792 1
finish
