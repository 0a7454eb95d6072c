#!/bin/sh
# SPDX-License-Identifier: MIT
# Each request is traced once, with what it was and what its row was charged for it; not
# before somebody asks, and not after; and a reader that stands still holds nobody up.
. "$(dirname "$0")/lib.sh"

trace() { "$XENMETER" trace --table "$TABLE" "$@"; }
# trace_bg NAME [OPTION...]: in the background, once it is on
trace_bg() {
	local name=$1; shift
	"$XENMETER" trace --table "$TABLE" "$@" >"$W/$name" 2>"$W/$name.err" &
	BG=$!
	PIDS="$PIDS $BG"
	within 5 on
}
# The word that switches it on: past until the clock is past it, too.
until_ms() { od -An -tu8 -j128 -N8 "$TABLE.trace" | tr -d ' '; }
uptime_ms() { awk '{ printf "%.0f\n", $1 * 1000 }' /proc/uptime; }
on() { [ "$(until_ms)" -gt "$(uptime_ms)" ]; }
# sum COUNTER...: of domain $d
sum() {
	local total=0 c
	for c; do total=$((total + $(row "$d" "$c"))); done
	echo $total
}

host --workers 2
d=$(guest one)
attach "$d" xvda "$(disk one 64M)"
"$SIMXL" create two >/dev/null
attach 2 xvda null:1G

say 'nothing is traced that nobody asked for'
load "$d" --rw randread --number 500 >/dev/null
[ "$(od -An -tu8 -j256 -N8 "$TABLE.trace" | tr -d ' ')" = 0 ] || fail 'traced while off'
expect_row "$d" requests 500
[ "$(stat -c %a "$TABLE.trace")" = 640 ] || fail 'the mode of the trace'

say 'known counts: each request once, with what its row was charged'
cycles='read_cycles write_cycles flush_cycles discard_cycles refused_cycles'
# shellcheck disable=SC2086
before=$(sum $cycles)
bytes=$(row "$d" bytes)
trace_bg json --json
reader=$BG
trace_bg people
people=$BG
trace_bg saved --output "$W/file"
saver=$BG
load "$d" --rw randrw --number 3000 --bs 8k --depth 8 --queues 2 --flush-every 10 \
	--discard-every 15 --json >"$W/load"
load 2 --rw randread --number 1000 --depth 4 >/dev/null
requests=$(get "$W/load" ".ring_requests | add")
lines() { [ "$(grep -c '"status"' "$W/json")" -ge $((requests + 1000)) ]; }
within 5 lines || fail "$(grep -c '"status"' "$W/json") lines, not $((requests + 1000))"
end $reader
end $people
end $saver
grep -q "^$((requests + 1000)) requests, 0 lost" "$W/json.err" || { cat "$W/json.err"; fail 'the sum'; }
# shellcheck disable=SC2086
charged=$(($(sum $cycles) - before))
bytes=$(($(row "$d" bytes) - bytes))
jq -s --argjson d "$d" '[.[] | select(.domid == $d and .status)]' "$W/json" >"$W/mine"
jq -s --argjson d "$d" '[.[] | select(.domid == $d and .offload_cycles)]' "$W/json" >"$W/offloads"
for op in read write flush discard; do
	expect_json "$W/offloads" "([.[] | select(.op == \"$op\").offload_cycles] | add // 0) == $(row "$d" "offload_$op")"
done
expect_json "$W/offloads" 'any(.op == "flush") and any(.op == "discard")'
expect_json "$W/mine" "length == $requests"
expect_json "$W/mine" "([.[].cycles] | add) == $charged"
expect_json "$W/mine" "([.[].bytes] | add) == $bytes"
for op in read write flush discard; do
	n=$(row "$d" ${op}_requests)
	[ $op != read ] || n=$((n - 500))
	expect_json "$W/mine" "[.[] | select(.op == \"$op\")] | length == $n"
done
expect_json "$W/mine" 'all(.name == "one" and .device == "vbd" and .devid == 51712)'
expect_json "$W/mine" 'all(.status == "ok" and .requests == 1 and .failed == 0)'
expect_json "$W/mine" '[.[].queue] | unique == [0, 1]'
expect_json "$W/mine" '[.[].worker] | unique == [0, 1]'
expect_json "$W/mine" '[.[] | [.worker, .sequence]] | unique | length == '"$requests"
expect_json "$W/mine" 'all(.latency_ns >= .device_ns and .device_ns > 0 and .cycles > 0)'
expect_json "$W/mine" '[.[] | select(.op == "read" or .op == "write") | .bytes] | unique == [8192]'
expect_json "$W/mine" 'all(.sector < 131072 and .sector % 16 == 0)'
expect_json "$W/mine" 'map(select(.op == "read")) | all(.pages == 2)'
expect_json "$W/mine" "all(.time > $(date +%s) - 60 and .time < $(date +%s) + 1)"

say 'all readers saw the same, and so does who reads the file'
[ "$(grep -c ' ok ' "$W/people")" = $((requests + 1000)) ] || fail 'lines for people'
trace --input "$W/file" --json >"$W/again" 2>/dev/null
jq -c 'del(.time)' "$W/json" | sort >"$W/json.sorted"
jq -c 'del(.time)' "$W/again" | sort >"$W/again.sorted"
cmp "$W/json.sorted" "$W/again.sorted" || fail 'the file differs'

say 'filters'
trace_bg flushes --json --op flush --guest one --count 3
reader=$BG
load 2 --rw randread --number 100 --flush-every 2 >/dev/null
load "$d" --rw randread --number 100 --flush-every 10 >/dev/null
ended $reader
expect_json "$W/flushes" '.op == "flush" and .domid == 1'
[ "$(grep -c '"status"' "$W/flushes")" = 3 ] || fail 'the count'

say 'it ends by itself'
within 6 eval '! on' || fail 'still on'
written=$(od -An -tu8 -j256 -N8 "$TABLE.trace")
load "$d" --rw randread --number 500 >/dev/null
[ "$written" = "$(od -An -tu8 -j256 -N8 "$TABLE.trace")" ] || fail 'still traced'

say 'a reader that stands still'
# While another keeps it switched on, so that records flow, and are lost to this one.
trace_bg stands --output "$W/stands.file"
stands=$BG
trace_bg keeps --json --cycles 1000000000
keeps=$BG
kill -STOP $stands
load 2 --rw randread --number 200000 --depth 32 --json >"$W/load"
expect_json "$W/load" '.operations == 200000 and .protocol_violations == 0'
kill -CONT $stands
sleep 0.5
end $stands
end $keeps
cat "$W/stands.err"
trace --input "$W/stands.file" --json >"$W/stands" 2>/dev/null
jq -s '[.[] | .lost // 1] | add' "$W/stands" >"$W/all"
expect_json "$W/all" '. == 200000'
jq -s '[.[] | .lost // 0] | add' "$W/stands" >"$W/lost"
expect_json "$W/lost" '. > 0'

say 'a trace ends with its daemon'
trace_bg last --json
reader=$BG
daemon_stop
ended $reader
daemon_start
load "$d" --rw read --number 10 >/dev/null

say 'top shows it, until q; it could once be left by an interrupt only'
if command -v tmux >/dev/null; then
	screen() { tmux -f /dev/null -L "xm-$$" "$@"; }
	shows() { screen capture-pane -p | grep -qF -e "$1"; }
	load_bg "$W/top.out" "$d" --rw randread --rate 200 --time 60
	screen new-session -d -x 80 -y 24 "exec timeout --foreground 60 '$XENMETER' top -t '$TABLE'"
	within 10 shows '? keys' || fail 'no page'
	screen send-keys t
	within 10 shows 'xvda/0' || fail 'no trace'
	screen send-keys q
	within 10 shows '? keys' || fail 'q does not end the trace'
	screen kill-server
	end "$BG"
fi
finish
