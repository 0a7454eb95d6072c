#!/bin/sh
# SPDX-License-Identifier: MIT
# What a guest notices of others' storage; run by tests/bench/run isolation. Arguments:
# rounds, seconds of each run, the program burn. Nothing fails on a figure.
#
# A round runs the guest alone, alone once more, beside the others, and beside processes
# that burn the CPU which the others used. Each figure is the median of the rounds' ratios
# to the second run alone; in brackets are the middle half of the rounds. A/A is the ratio
# of the two runs alone: what it is off 1 is the machine's doing. BENCH_FIRST is a
# command that has a process go before others', for a machine that they use too:
# 'renice -n -20 -p', or 'chrt --rr --pid 1' where the others of a scene use no CPU.
#
# Each guest has a filesystem of its own, ext4 on a loop device on a tmpfs: so they share
# CPUs and the daemon, and no device that would make one wait for the other.
. "$(dirname "$0")/../daemon/lib.sh"

rounds=$1 seconds=$2 burn=$3
WORKERS= # as many as the daemon takes by itself
need mkfs.ext4 e2fsprogs
need fsfreeze util-linux
need fio fio

trap 'code=$?; set +e; like_others; give_back_tags; for m in "$W"/fs/*; do fsfreeze -u "$m" 2>/dev/null; done
	[ -z "$DAEMON" ] || kill -KILL $DAEMON; for p in $PIDS; do kill -KILL $p; done 2>/dev/null
	wait; remove_zram; umount -l "$W"/fs/* "$W/ram"; (exit $code); cleanup' EXIT
mkdir "$W/ram" "$W/fs"
mount -t tmpfs -o size=80% none "$W/ram"

# filesystem NAME SIZE: mounted at $W/fs/NAME
filesystem() {
	local loop
	truncate -s "$2" "$W/ram/$1"
	loop=$(losetup --find --show "$W/ram/$1")
	LOOPS="$LOOPS $loop"
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 "$loop"
	mkdir "$W/fs/$1"
	mount "$loop" "$W/fs/$1"
}

# full NAME FILE MIB: a file without holes; prints its path
full() {
	dd if=/dev/urandom "of=$W/fs/$1/$2" bs=1M count="$3" conv=fsync status=none
	echo "$W/fs/$1/$2"
}

# ---- who is looked at: guest 1 ----

# It stays connected over the rounds, so a run is no more than some time of it.

# victim_start OPTION...
victim_start() {
	load_bg "$W/victim" 1 --time 100000 --json "$@"
	VICTIM=$BG
	state 1 back 4
	sleep 1 # until caches are warm and its memory is there
}
victim_stop() { kill -TERM "$VICTIM"; wait "$VICTIM" || :; }

# victim FILE: appends "iops p50 p99 cycles ", the last of each request
victim() {
	before_others
	dump >"$W/before"
	told
	sleep "$seconds"
	told
	tail -n 1 "$W/victim" | jq -j '"\(.iops) \(.latency_ns.p50) \(.latency_ns.p99) "' >>"$W/$1"
	echo "$(cycles_since 1) " | tr -d '\n' >>"$W/$1"
}
# told: what it has done since it was asked last is the last line of $W/victim
told() {
	local lines=$(wc -l <"$W/victim")
	kill -USR1 "$VICTIM"
	more() { [ "$(wc -l <"$W/victim")" -gt $lines ]; }
	within 20 more || fail 'the guest says nothing'
}

# cycles_since DOMID: a request, its helper's among them, since $W/before
cycles_since() {
	dump | jq --slurpfile b "$W/before" --argjson d "$1" 'def sum(k): [.rows[] |
			select(.domid == $d and .queue != null) | .counters | to_entries[] |
			select(.key | test(k)) | .value] | add // 0;
		def cycles: sum("^(exact|apportioned)_|^offload_cycles");
		(cycles - ($b[0] | cycles)) / ([sum("^requests$") - ($b[0] | sum("^requests$")), 1] | max)'
}

# Loop devices work in kernel threads, which have to come before other programs' threads if
# the rest shall.
before_others() {
	local p
	[ -n "${BENCH_FIRST:-}" ] || return 0
	for p in $$ $(kernel_workers); do
		grep -q "^$p " "$W/niceness" 2>/dev/null || echo "$p $(ps -o ni= -p $p)" >>"$W/niceness"
		$BENCH_FIRST $p >/dev/null 2>&1 || :
	done
}
like_others() {
	local p nice
	[ -n "${BENCH_FIRST:-}" ] || return 0
	while read -r p nice; do
		chrt --other --pid 0 $p
		renice -n $nice -p $p
	done <"$W/niceness" >/dev/null 2>&1
}
kernel_workers() { pgrep '^kworker/u'; }

# spread: of the numbers that it reads, the median and the middle half
spread() {
	sort -n | awk '{ v[NR] = $1 }
		END { printf "%.2f (%.2f to %.2f)", v[int((NR + 1) / 2)], v[int((NR + 3) / 4)], v[int((3 * NR + 3) / 4)] }'
}
# ratio NAME COLUMN COLUMN: spread of one to the other; see compare
ratio() { awk -v x="$2" -v y="$3" '{ print $x / $y }' "$W/$1" | spread; }

# compare NAME OPTION...: the rounds, a line each: columns 1 to 4 are the victim's figures
# alone, 5 to 8 once more, 9 to 12 beside begin_NAME, 13 to 16 beside the same CPU's use, and
# 17 is that, in percent of one CPU
compare() {
	local name=$1 i; shift
	victim_start "$@"
	for i in $(seq "$rounds"); do
		victim "$name"
		victim "$name"
		ATTACK='' OFFENDERS=''
		begin_$name
		CPU=$(cpu_of_offenders) SINCE=$(date +%s%N)
		victim "$name"
		CPU=$((($(cpu_of_offenders) - CPU) * 100000000 / ($(date +%s%N) - SINCE)))
		end_$name
		ATTACK=
		[ $CPU -lt 1 ] || { "$burn" $CPU & ATTACK=$!; }
		victim "$name"
		stop_attack
		echo $CPU >>"$W/$name"
	done
	victim_stop
}
stop_attack() {
	for p in $ATTACK; do kill -TERM "$p" || :; done
	for p in $ATTACK; do { wait "$p" || :; } 2>/dev/null; done
	ATTACK=
}
# attack DOMID DEVID OPTION...: until stop_attack, and under way
attack() {
	local d=$1 v=$2 before; shift 2
	before=$(row "$d" requests)
	load_bg "$W/attack.out" "$d" --devid "$v" --time 1000 "$@"
	ATTACK="$ATTACK $BG" OFFENDERS="$OFFENDERS $d"
	within 20 moved "$d" "$before" || { cat "$W/attack.out"; fail "guest $d does nothing"; }
}
moved() { [ "$(row "$1" requests)" -gt "$2" ]; }

# CPU that those who attack have cost so far, ms: their frontends', their helpers', the
# workers' for them
cpu_of_offenders() {
	local ticks=0 p d
	for p in $ATTACK $(pgrep -P "$(echo $ATTACK | tr ' ' ,)"); do ticks=$((ticks + $(ticks_of $p))); done
	for d in $(echo $OFFENDERS | tr ' ' '\n' | sort -u); do
		for p in $(helper $d); do ticks=$((ticks + $(ticks_of $p))); done
	done
	dump | jq --argjson t $ticks --arg d " $OFFENDERS " '([.rows[] | select(.domid as $r |
		$d | contains(" \($r) ")) | .counters | to_entries[] |
		select(.key | test("^(exact|apportioned)_")) | .value] | add // 0) as $c |
		$t * 10 + $c / .table.clock_khz | floor'
}
ticks_of() { awk '{ print $14 + $15 }' "/proc/$1/stat" 2>/dev/null || echo 0; } # 0: it has just ended

# tell NAME WORDS COLUMN MARK: a scene's line; 1 is the rate, 2 p50, 3 p99, 4 cycles
tell() {
	echo "$2: $(ratio $1 $(($3 + 8)) $(($3 + 4))) times${4:+, held to $4}; A/A $(ratio $1 $(($3 + 4)) $3)"
}
# tell_burnt NAME COLUMN MARK: the same to processes that burn the same CPU
tell_burnt() {
	echo "  to that beside processes that burn the same CPU: $(ratio $1 $(($2 + 8)) $(($2 + 12)))${3:+, held to $3}; these used $(awk '{ print $17 / 100 }' "$W/$1" | spread) CPUs"
}

# ---- scenes ----

begin_flood() { attack 2 xvda --rw flush --depth 32; }
end_flood() { stop_attack; }
bench_flood() {
	compare flood --rw randwrite --depth 8 --flush-every 2
	tell flood 'rate beside a flood of flushes' 1 'at least 0.5'
	tell_burnt flood 1
	tell flood 'p99 beside a flood of flushes' 3 'at most 3'
	tell_burnt flood 3
}

begin_frozen() {
	attack 2 xvda --rw randwrite --depth 8 --flush-every 4
	fsfreeze -f "$W/fs/two"
	sleep 0.3 # until all of them wait
}
end_frozen() {
	fsfreeze -u "$W/fs/two"
	stop_attack
}
bench_frozen() {
	compare frozen --rw randwrite --depth 8 --flush-every 2
	tell frozen 'rate beside a frozen filesystem' 1 'at least 0.95'
}

begin_holes() {
	for v in a b c; do fallocate --punch-hole --offset 0 --length 1G "$W/fs/three/$v"; done
	for v in a b c; do attack 3 xvd$v --rw randwrite --depth 16; done
}
end_holes() { stop_attack; }
bench_holes() {
	compare holes --rw randread --depth 8
	tell holes 'rate beside 3 disks of writes into holes' 1
	tell_burnt holes 1 'at least 0.7'
}

begin_bulk() {
	for d in 4 5 6; do attack $d xvda --rw read --bs 1M --indirect 256 --depth 8; done
}
end_bulk() { stop_attack; }
bench_bulk() {
	compare bulk --rw randread --depth 1
	tell bulk 'p50 at depth 1 beside three bulk readers' 2 'at most 4'
	tell_burnt bulk 2
}

begin_idle() {
	load_bg "$W/attack.out" 1 --devid xvdb --queues 4 --hold 1000
	ATTACK=$BG
	state 1 back 4 xvdb
}
end_idle() { stop_attack; }
bench_idle() {
	compare idle --rw randread --depth 32 --bs 64k --indirect 16
	tell idle 'rate beside an idle disk of the same guest, of 4 queues' 1 'more than 0.95'
	tell idle '  cycles a request' 4
}

# ---- out of tags ----

# The device's queue outlives what it is set up for.
give_back_tags() { [ -z "${TAGS:-}" ] || echo "$TAGS_BEFORE" >"$TAGS"; }

# cycles_at DEPTH: of a read
cycles_at() {
	before_others
	dump >"$W/before"
	load 7 --rw randread --depth "$1" --ring-order 3 --time "$seconds" >/dev/null
	cycles_since 7
}
bench_tags() {
	local i loop
	loop=$(losetup --find --show --direct-io=off "$W/ram/tags")
	LOOPS="$LOOPS $loop"
	TAGS=/sys/block/${loop#/dev/}/queue/nr_requests
	TAGS_BEFORE=$(cat "$TAGS")
	echo 64 >"$TAGS" || { echo 'out of tags: not measured, the loop device keeps its tags'; return; }
	attach 7 xvda "$loop" >/dev/null
	for i in $(seq "$rounds"); do
		echo "$(cycles_at 48) $(cycles_at 48) $(cycles_at 256)" >>"$W/tags.cycles"
	done
	echo "cycles a read out of 64 tags, depth 256 to depth 48: $(ratio tags.cycles 3 2) times, held to at most 1.3; A/A $(ratio tags.cycles 2 1)"
}

# ---- a disk that cannot tell whether I/O would wait ----

remove_zram() { [ -z "${ZRAM:-}" ] || echo "${ZRAM#/dev/zram}" >/sys/class/zram-control/hot_remove; }

# fio_iops RW: by io_uring, on the disk itself
fio_iops() {
	fio --name=direct --filename="$ZRAM" --ioengine=io_uring --direct=1 --rw="$1" --bs=4k \
		--iodepth=32 --time_based --runtime="$(jq -n "$seconds * 1000")ms" --output-format=json |
		jq '.jobs[0] | .read.iops + .write.iops'
}
bench_zram() {
	local i rw
	[ -d /sys/class/zram-control ] || { echo 'zram: not measured, this kernel has none'; return; }
	ZRAM=/dev/zram$(cat /sys/class/zram-control/hot_add)
	echo 256M >"/sys/block/${ZRAM#/dev/}/disksize"
	dd if=/dev/urandom of="$ZRAM" bs=1M count=256 oflag=direct status=none
	attach 9 xvda "$ZRAM" >/dev/null
	for i in $(seq "$rounds"); do
		before_others
		for rw in randread randwrite; do
			echo "$(load 9 --rw $rw --depth 32 --time "$seconds" --json | jq .iops) $(fio_iops $rw)" >>"$W/zram.$rw"
		done
	done
	for rw in randread randwrite; do
		echo "zram, $rw of 4 KiB at depth 32, to fio's io_uring on it: $(ratio zram.$rw 1 2) times, held to at least 0.7"
	done
	"$SIMXL" block-detach 9 xvda
}

# ---- memory ----

resident_mib() {
	cat "/proc/$DAEMON/status" | awk '/^RssAnon|^RssShmem/ { kib += $2 } END { printf "%d", kib / 1024 }'
}
bench_memory() {
	local before peak=0 now bs ATTACK OFFENDERS
	attack 1 xvda --rw randread --depth 8
	before=$(resident_mib)
	for bs in 4k 8k 16k 32k 64k 128k 256k 512k 1M; do
		load 8 --rw randrw --bs $bs --indirect 256 --depth 32 --queues 4 --ring-order 2 --time 1 >/dev/null
		now=$(resident_mib)
		[ "$now" -lt $peak ] || peak=$now
	done
	sleep 10
	echo "10 s after a guest walked through block sizes: $(($(resident_mib) - before)) MiB more than before, held to at most 64; $((peak - before)) meanwhile"
	stop_attack
}

before_others
host
for n in one two three four five six seven eight nine; do guest $n >/dev/null; done
for n in one two four five six eight; do filesystem $n 320M; done
filesystem three 4G
attach 1 xvda "$(full one a 256)" >/dev/null
attach 1 xvdb "$(full one b 16)" >/dev/null
attach 2 xvda "$(full two a 64)" >/dev/null
for v in a b c; do
	truncate -s 1G "$W/fs/three/$v"
	attach 3 xvd$v "$W/fs/three/$v" >/dev/null
done
attach 4 xvda "$(full four a 256)" >/dev/null
attach 5 xvda "$(full five a 256)" >/dev/null
attach 6 xvda "$(full six a 256)" >/dev/null
attach 8 xvda "$(full eight a 256)" >/dev/null
truncate -s 256M "$W/ram/tags"

echo "$(nproc) CPUs, load $(cut -d ' ' -f 1 /proc/loadavg) before; $rounds rounds of $seconds s"
# Caches are warm then.
load 1 --rw randrw --depth 8 --flush-every 5 --time 1 >/dev/null
for scene in ${SCENES:-flood frozen holes bulk idle tags zram memory}; do
	bench_$scene
done
finish
