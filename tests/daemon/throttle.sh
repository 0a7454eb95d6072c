#!/bin/sh
# SPDX-License-Identifier: MIT
# `iops` and `bytes` bound what a guest asks of its disk, all of its queues together, from
# the moment they are written, also in the next life of the daemon; `ioprio` is the priority
# of its I/O. What is no such value is said once.
. "$(dirname "$0")/lib.sh"

need ionice util-linux

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# begin COUNTER: bounded() counts from now on
begin() { SINCE=$(now_ms); BEFORE=$(row "$one" "$1"); }
# bounded COUNTER RATE LARGEST: 50 ms may have been saved, and the last request, of that
# size, is there at once
bounded() {
	local count=$(($(row "$one" "$1") - BEFORE))
	local most=$(($2 * ($(now_ms) - SINCE + 51) / 1000 + $3))
	say "$1: $count of at most $most"
	[ $count -le $most ]
}
reached() { [ "$(row "$one" "$1")" -ge "$2" ]; }
# comes NUMBER: so many more reads
comes() { within 30 reached read_requests $(($(row "$one" read_requests) + $1)) || fail 'nothing comes'; }
# slow COUNTER RATE LARGEST: for as long as it takes to look, or a little longer
slow() { begin "$1"; sleep 0.2; bounded "$@"; }
complaints() { grep -c 'not limited by it' "$LOG" || :; }

WORKERS=--workers=2
host
one=$(guest one)
b=$(back "$one")

say 'requests, two queues'
begin read_requests
attach "$one" xvda null:1G --set iops=4 >/dev/null
load_bg "$W/1.out" "$one" --rw randread --depth 8 --queues 2 --time 300 --json; one_load=$BG
comes 3
bounded read_requests 4 1 || fail 'too many'

say 'the next life of the daemon'
daemon_stop
daemon_start
begin read_requests
comes 2
bounded read_requests 4 3 || fail 'too many'

say 'no limit, and another one'
xenstore-write "$b/iops" 0
comes 2000
xenstore-write "$b/bytes" 32768
within 20 slow read_bytes 32768 4096 || fail 'it is not limited'
xenstore-rm "$b/bytes"
comes 2000
end "$one_load"
expect_json "$W/1.out" '.errors.error == 0'

say 'bytes, from the beginning'
xenstore-write "$b/bytes" 131072
begin read_bytes
load_bg "$W/1.out" "$one" --rw randread --depth 8 --bs 64k --indirect 16 --time 300; one_load=$BG
comes 2
bounded read_bytes 131072 65536 || fail 'too many'

say 'what is no limit'
xenstore-write "$b/bytes" 1M
comes 2000
xenstore-write "$b/iops" 0x10
xenstore-write "$b/ioprio" realtime
said() { [ "$(complaints)" = 3 ]; }
within 10 said || fail 'not said'
grep -q 'ioprio=realtime is not idle' "$LOG" || fail 'not which value'
end "$one_load"

say 'priority, of what its helper does'
two=$(guest two)
attach "$two" xvda "$(disk a 16M)" --set ioprio=idle
load_bg "$W/2.out" "$two" --rw randwrite --flush-every 2 --time 300; two_load=$BG
priority_is() {
	local t
	for t in "/proc/$(helper "$two")/task"/*; do ionice -p "${t##*/}"; done | grep -q "$1"
}
within 10 priority_is '^idle' || fail 'not idle'
xenstore-write "$(back "$two")/ioprio" best-effort,6
within 10 priority_is 'best-effort: prio 6' || fail 'not 6'
end "$two_load"
finish
