#!/bin/sh
# SPDX-License-Identifier: MIT
# Whose the work of io_uring's threads is: exactly a guest's that alone has such I/O,
# flushes, or writes to holes; apportioned when two have it at once; never another's.
. "$(dirname "$0")/../daemon/lib.sh"

host
for n in 1 2 3; do guest g$n >/dev/null; done
attach 1 xvda "$(disk a 64M)"; attach 2 xvda "$(disk b 64M)"; attach 3 xvda null:1G

# disk_row DOMID COUNTER: the row of its disk's queue, without the control thread's
disk_row() {
	dump | jq --argjson d "$1" --arg c "$2" '[.rows[] |
		select(.domid == $d and .queue != null) | .counters[$c]] | add // 0'
}
tell() { say "guest $1: $(disk_row "$1" offload_exact) of $(disk_row "$1" offload_cycles) cycles exact"; }

say 'alone, while another guest reads'
load_bg "$W/3.out" 3 --rw randread --depth 4 --time 60; reader=$BG
state 3 back 4
load 1 --rw write --bs 4k --number 800 --flush-every 4 >/dev/null
sleep 1.2 # a tick: what the threads ran last
tell 1
alone=$(disk_row 1 offload_exact); all=$(disk_row 1 offload_cycles)
[ "$all" -gt 0 ] || fail 'flushes cost nothing'
# What is found of a thread when it is new is not.
[ "$alone" -gt $((all / 2)) ] || fail 'it was alone, and that is not seen'

say 'two at once'
load_bg "$W/1.out" 1 --rw write --bs 4k --number 800 --flush-every 2; one=$BG
load_bg "$W/2.out" 2 --rw write --bs 4k --number 800 --flush-every 2; two=$BG
ended $one; ended $two
sleep 1.2
tell 1; tell 2
[ "$(disk_row 2 offload_cycles)" -gt "$(disk_row 2 offload_exact)" ] || fail 'nothing is shared'

end $reader
[ "$(disk_row 3 offload_cycles)" = 0 ] || fail 'a null disk needs no thread'
finish
