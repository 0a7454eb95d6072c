#!/bin/sh
# SPDX-License-Identifier: MIT
# xenmeter trace on traces with known numbers, saved and live.
#
#	test_cli_trace.sh XENMETER TRACE-MAKER TABLE-MAKER JSON-VALUE
set -u

xenmeter=$1
maker=$2
table_maker=$3
json_value=$4
. "$(dirname "$0")/cli_lib.sh"
file=$dir/file
export TZ=UTC

trace() {
	want=$1
	shift
	run "$want" "$xenmeter" trace "$@"
}

# line NUMBER : of the output, to be looked at with value()
line() {
	sed -n "$1p" "$out" >"$dir/line"
	cp "$dir/line" "$out"
}

usage() {
	trace 2 --op frobnicate
	complained '--op takes read, write,' 3
	trace 2 --json --output "$file"
	complained "only one of" 2
	for bad in "--count=0" "--count=-1" "--count=x" "--time=0" "--time=nan" "--cycles=1x" \
		"--latency=-1" "--latency="; do
		trace 2 "$bad"
		complained "takes a number" 2
	done
	for bad in -1 4294967296 xvd xvd1 ''; do
		trace 2 "--device=$bad"
		complained "--device takes xvda and the like" 2
	done
}

saved_text() {
	"$maker" file "$file"
	trace 0 --input "$file"
	cat >"$dir/expected" <<'TEXT'
TIME            GUEST        DEVICE/Q OP          SECTOR BYTES STATUS     CYC CPU-us EXACT  QUEUE  DISK  RESP
06:00:00.499000 web, the "first" xvda/2   write         2048  8192 ok        2000   2000  75.0* 10.0k  200k 30.0k
06:00:00.500000 web, the "first" xvdb/0   unknown          0     0 refused    100    100 100.0      0     0  4000
42 lost here
06:00:01.500000 m?tt         vif0/0   rx               0 18.2k ok          15     15 100.0      0  3000 1.00G
06:00:01.500000 web, the "first" xvda/2   flush            -     - offload  70.0k  70.0k   0.0      -     -     -
06:00:01.500001 domid 9      51712/0  read             0     0 failed       0      0     -   1000     0     0
TEXT
	diff "$dir/expected" "$out" || fail "lines for people"
	[ "$(cat "$err")" = "4 requests, 42 lost" ] || fail "the sum"
}

saved_json() {
	"$maker" file "$file"
	trace 0 --input "$file" --json
	[ "$(wc -l <"$out")" = 6 ] || fail "six lines"
	cp "$out" "$dir/json"
	line 1
	said '"time":1795500000.499,'
	value worker 1
	value sequence 7
	value domid 3
	value name 'web, the "first"'
	value uuid 11220000-0000-0000-0000-000000000000
	value device vbd
	value devid 51712
	value device_name xvda
	value queue 2
	value generation 1
	value op write
	value status ok
	value requests 1
	value failed 0
	value sector 2048
	value bytes 8192
	value pages 2
	value cycles 2000
	value exact false
	value disturbed true
	value exact_parse 100
	value exact_respond 500
	value apportioned_complete 500
	value latency_ns 240000
	value queueing_ns 10000
	value device_ns 200000
	value response_ns 30000
	cp "$dir/json" "$out"
	line 3
	value lost 42
	cp "$dir/json" "$out"
	line 4
	value op rx
	value requests 12
	value exact true
	value disturbed false
	value name 'm?tt'
	value uuid null
	cp "$dir/json" "$out"
	line 5
	value op flush
	value offload_cycles 70000
	value exact false
	value name 'web, the "first"'
	cp "$dir/json" "$out"
	line 6
	value status failed
	value failed 1
	value name ''
}

# shown COUNT OPTION... : how many requests pass
shown() {
	want_count=$1
	shift
	trace 0 --input "$file" "$@"
	grep -q "^$want_count request" "$err" || fail "not $want_count with $*"
}

filters() {
	"$maker" file "$file"
	shown 2 --guest 'web, the "first"'
	shown 2 --guest 3
	shown 1 --guest 9
	shown 0 --guest 'web'
	shown 2 --guest 11220000-0000-0000-0000-000000000000
	"$maker" file "$file" 825=195 826=169
	shown 1 --guest 'mét'
	said 'mét          vif0/0'
	"$maker" file "$file"
	shown 2 --device xvda
	shown 1 --device xvdb
	shown 2 --device 51712
	shown 1 --device 0
	shown 1 --op unknown
	shown 1 --op rx
	shown 0 --op tx
	shown 2 --cycles 100
	shown 1 --cycles 101
	shown 2 --latency 240
	shown 1 --latency 241
	shown 1 --device 51712 --op read
	shown 3 --count 3
	shown 4 --count 5
	trace 0 --input "$file" --json --count 1
	[ "$(wc -l <"$out")" = 1 ] || fail "one line"
}

# What is saved from a saved trace is the same, and can be filtered.
resaved() {
	"$maker" file "$file"
	trace 0 --input "$file" --output "$dir/copy"
	[ ! -s "$out" ] || fail "shown and saved"
	trace 0 --input "$file" --json
	cp "$out" "$dir/json"
	trace 0 --input "$dir/copy" --json
	cmp "$out" "$dir/json" || fail "the copy differs"
	trace 0 --input "$file" --op rx --output "$dir/copy"
	trace 0 --input "$dir/copy"
	grep -q "^1 request, 42 lost" "$err" || fail "a filtered copy"
	trace 1 --input "$file" --output "$dir/none/copy"
	complained "No such file"
	[ -c /dev/full ] || return
	trace 1 --input "$file" --output /dev/full
	complained "cannot write /dev/full" 2
	"$xenmeter" trace --input "$file" >/dev/full 2>"$err" && fail "a full disk"
	complained "cannot write the output" 2
}

damaged() {
	trace 1 --input "$dir/none"
	complained "No such file"
	for bad in 0=0 cut=1328 16=127 20=127 21=32 24=0\ 25=0; do
		# shellcheck disable=SC2086 # words
		"$maker" file "$file" $bad
		trace 6 --input "$file"
		complained "$file: "
	done
	"$maker" file "$file" 12=4
	trace 5 --input "$file"
	complained "saved by a newer xenmeter"
	"$maker" file "$file" cut=1
	trace 0 --input "$file"
	complained "cut off within a record" 2
	grep -q "^3 requests" "$err" || fail "what is whole"
	# Whatever its bytes are, a file is shown or refused.
	i=128
	while [ $i -lt 1408 ]; do
		"$maker" file "$file" $i=255
		"$xenmeter" trace --input "$file" --json >"$out" 2>"$err" || fail "byte $i"
		i=$((i + 13))
	done
}

live() {
	mkfifo "$dir/hold" "$dir/ready"
	"$maker" live "$table" <"$dir/hold" >"$dir/ready" &
	pid=$!
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
	# Twenty requests at once into a ring of sixteen: four are lost, and said to be.
	trace 0 --table "$table" --json --count 16
	grep -q "^16 requests, 4 lost" "$err" || fail "the sum"
	cp "$out" "$dir/json"
	line 1
	value lost 4
	cp "$dir/json" "$out"
	line 2
	value name web
	value sequence 5
	value sector 32
	value op read
	value cycles 15
	value device_ns 5000
	trace 0 --table "$table" --time 0.1 --guest nobody
	complained 'no guest "nobody" in' 2
	complained 'now; waiting for it' 2
	trace 0 --table "$table" --time 0.1 --device xvdz
	complained "no device xvdz in $table now; waiting for it" 2
	trace 0 --table "$table" --time 0.1 --guest web
	complained "requests, 0 lost"
	# Nothing more comes, until the daemon ends.
	trace 0 --table "$table" --time 0.1
	grep -q "^0 requests, 0 lost" "$err" || fail "nothing"
	: >"$out"
	"$xenmeter" trace --table "$table" >"$out" 2>"$err" 3>&- &
	reader=$!
	tries=0
	until grep -q TIME "$out" || [ $tries -gt 100 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
	exec 3>&-
	wait $pid
	wait $reader || fail "the end of the daemon"
	said "TIME"
	complained "0 requests, 0 lost" 2
	complained "has ended: nobody writes any more" 2
	trace 3 --table "$table"
	complained "has ended: nobody writes, nothing to trace"
	rm -f "$dir/hold" "$dir/ready"
}

no_trace() {
	trace 3 --table "$dir/nothing"
	complained "no table at"
	mkfifo "$dir/hold" "$dir/ready"
	"$table_maker" "$table" running <"$dir/hold" >"$dir/ready" &
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
	rm -f "$table.trace"
	trace 3 --table "$table"
	complained "no trace at $table.trace"
	echo no trace at all >"$table.trace"
	trace 6 --table "$table"
	complained "$table.trace is damaged"
	exec 3>&-
	wait
}

usage
saved_text
saved_json
filters
resaved
damaged
live
no_trace
exit $failed
