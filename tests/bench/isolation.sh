#!/bin/sh
# SPDX-License-Identifier: MIT
# What a guest notices of others' storage; run by tests/bench/run isolation. Arguments:
# rounds, seconds of each run, the program burn. Each line has a ratio, the median over the
# rounds, and the mark that the daemon is held to; nothing fails on it. Runs that are
# compared take turns.
#
# Each guest has a filesystem of its own, ext4 on a loop device on a tmpfs: so they share
# CPUs and the daemon, and no device that would make one wait for the other.
. "$(dirname "$0")/../daemon/lib.sh"

rounds=$1 seconds=$2 burn=$3
WORKERS= # as many as the daemon takes by itself
need mkfs.ext4 e2fsprogs
need fsfreeze util-linux

trap 'code=$?; set +e; for m in "$W"/fs/*; do fsfreeze -u "$m" 2>/dev/null; done
	[ -z "$DAEMON" ] || kill -KILL $DAEMON; for p in $PIDS; do kill -KILL $p; done 2>/dev/null
	wait; umount -l "$W"/fs/* "$W/ram"; (exit $code); cleanup' EXIT
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

# victim FILE OPTION...: a line "iops p50 p99"
victim() {
	local out=$1; shift
	load 1 --time "$seconds" --json "$@" >"$W/victim"
	get "$W/victim" '"\(.iops) \(.latency_ns.p50) \(.latency_ns.p99)"' >>"$W/$out"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# ratio BESIDE ALONE COLUMN: the median of the rounds'
ratio() { paste -d ' ' "$W/$1" "$W/$2" | awk -v c="$3" '{ print $c / $(c + 3) }' | median; }
percent() { ratio "$@" | awk '{ printf "%.0f %%", 100 * $1 }'; }
multiple() { ratio "$@" | awk '{ printf "%.1f", $1 }'; }
rate() { awk '{ print $1 }' "$W/$1" | median | cut -d. -f1; }

# compare NAME OPTION...: rounds of the victim alone and beside begin_NAME
compare() {
	local name=$1 i; shift
	for i in $(seq "$rounds"); do
		victim "$name.alone" "$@"
		ATTACK=
		begin_$name
		victim "$name.beside" "$@"
		end_attack
	done
}
end_attack() {
	for p in $ATTACK; do kill -TERM "$p" || :; done
	for p in $ATTACK; do { wait "$p" || :; } 2>/dev/null; done
	ATTACK=
}
# attack DOMID DEVID OPTION...: until end_attack, and under way
attack() {
	local d=$1 v=$2 before; shift 2
	before=$(row "$d" requests)
	load_bg "$W/attack.out" "$d" --devid "$v" --time 1000 "$@"
	ATTACK="$ATTACK $BG"
	within 20 moved "$d" "$before" || { cat "$W/attack.out"; fail "guest $d does nothing"; }
}
moved() { [ "$(row "$1" requests)" -gt "$2" ]; }

# ---- scenes ----

begin_flood() { attack 2 xvda --rw flush --depth 32; }
bench_flood() {
	compare flood --rw randwrite --depth 8 --flush-every 2
	echo "beside a flood of flushes: $(percent flood.beside flood.alone 1) of its rate alone ($(rate flood.alone)/s; mark: at least 50 %), p99 $(multiple flood.beside flood.alone 3) times (mark: at most 3)"
}

begin_frozen() {
	attack 2 xvda --rw randwrite --depth 8 --flush-every 4
	fsfreeze -f "$W/fs/two"
	sleep 0.3 # until all of them wait
}
bench_frozen() {
	local i
	for i in $(seq "$rounds"); do
		victim frozen.alone --rw randwrite --depth 8 --flush-every 2
		ATTACK=
		begin_frozen
		victim frozen.beside --rw randwrite --depth 8 --flush-every 2
		fsfreeze -u "$W/fs/two"
		end_attack
	done
	echo "beside a frozen filesystem: $(percent frozen.beside frozen.alone 1) (mark: at least 95 %)"
}

# CPU that guest 3 has cost so far, ms: its frontends', its helper's, the worker's for it
cpu_of_3() {
	local ticks=0 p
	for p in $ATTACK $(pgrep -P "$(echo $ATTACK | tr ' ' ,)") $(helper 3); do
		ticks=$((ticks + $(awk '{ print $14 + $15 }' "/proc/$p/stat")))
	done
	dump | jq --argjson t $ticks '([.rows[] | select(.domid == 3) | .counters | to_entries[] |
		select(.key | test("^(exact|apportioned)_")) | .value] | add) as $c |
		$t * 10 + $c / .table.clock_khz | floor'
}
begin_holes() {
	for v in a b c; do fallocate --punch-hole --offset 0 --length 1G "$W/fs/three/$v"; done
	for v in a b c; do attack 3 xvd$v --rw randwrite --depth 16; done
	CPU=$(cpu_of_3) SINCE=$(date +%s%N)
}
bench_holes() {
	local i share options='--rw randread --depth 8'
	for i in $(seq "$rounds"); do
		ATTACK=
		begin_holes
		victim holes.beside $options
		share=$((($(cpu_of_3) - CPU) * 100000000 / ($(date +%s%N) - SINCE)))
		end_attack
		"$burn" "$share" &
		ATTACK=$!
		victim holes.alone $options
		end_attack
		echo $share >>"$W/holes.cpu"
	done
	echo "beside 3 disks of writes into holes: $(percent holes.beside holes.alone 1) of its rate beside processes that burn the same CPU, $(median <"$W/holes.cpu") % of one (mark: at least 70 %)"
}

begin_bulk() {
	for d in 4 5 6; do attack $d xvda --rw read --bs 1M --indirect 256 --depth 8; done
}
bench_bulk() {
	compare bulk --rw randread --depth 1
	echo "at depth 1 beside three bulk readers: p50 $(multiple bulk.beside bulk.alone 2) times (mark: at most 4), $(percent bulk.beside bulk.alone 1) of its rate"
}

begin_idle() {
	load_bg "$W/attack.out" 1 --devid xvdb --queues 4 --hold 1000
	ATTACK=$BG
	state 1 back 4 xvdb
}
bench_idle() {
	local i
	for i in $(seq "$rounds"); do # the idle one connects first
		victim idle.alone --rw randread --depth 32 --bs 64k --indirect 16
		ATTACK=
		begin_idle
		victim idle.beside --rw randread --depth 32 --bs 64k --indirect 16
		end_attack
	done
	echo "beside an idle disk of the same guest, of 4 queues: $(percent idle.beside idle.alone 1) (mark: more than 95 %)"
}

# ---- out of tags ----

# Cycles a read at this depth, the helper's among them
cycles_at() {
	dump >"$W/before"
	load 7 --rw randread --depth "$1" --ring-order 3 --time "$seconds" --json >"$W/tags"
	dump | jq --slurpfile b "$W/before" 'def sum(k): [.rows[] | select(.domid == 7 and .queue != null) |
			.counters | to_entries[] | select(.key | test(k)) | .value] | add // 0;
		(sum("^(exact|apportioned)_|^offload_cycles") - ($b[0] | sum("^(exact|apportioned)_|^offload_cycles"))) /
		(sum("^read_requests") - ($b[0] | sum("^read_requests")))'
}
bench_tags() {
	local i loop
	loop=$(losetup --find --show --direct-io=off "$W/ram/tags")
	LOOPS="$LOOPS $loop"
	echo 64 >"/sys/block/${loop#/dev/}/queue/nr_requests" || { echo 'out of tags: not measured, the loop device keeps its tags'; return; }
	attach 7 xvda "$loop" >/dev/null
	for i in $(seq "$rounds"); do
		cycles_at 48 >>"$W/tags.48"
		cycles_at 256 >>"$W/tags.256"
	done
	paste -d ' ' "$W/tags.256" "$W/tags.48" | awk '{ print $1 / $2 }' | median >"$W/ratio"
	printf 'out of tags: %.0f cycles a read at depth 256, %.0f at depth 48: %.2f times (mark: at most 1.3)\n' \
		"$(median <"$W/tags.256")" "$(median <"$W/tags.48")" "$(cat "$W/ratio")"
}

# ---- memory ----

resident_mib() {
	cat "/proc/$DAEMON/status" | awk '/^RssAnon|^RssShmem/ { kib += $2 } END { printf "%d", kib / 1024 }'
}
bench_memory() {
	local before peak=0 now bs
	attack 1 xvda --rw randread --depth 8
	before=$(resident_mib)
	for bs in 4k 8k 16k 32k 64k 128k 256k 512k 1M; do
		load 8 --rw randrw --bs $bs --indirect 256 --depth 32 --queues 4 --ring-order 2 --time 1 >/dev/null
		now=$(resident_mib)
		[ "$now" -lt $peak ] || peak=$now
	done
	sleep 10
	echo "10 s after a guest walked through block sizes: $(($(resident_mib) - before)) MiB more than before (mark: at most 64), at most $((peak - before)) meanwhile"
	end_attack
}

host
for n in one two three four five six seven eight; do guest $n >/dev/null; done
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

# Caches are warm then.
victim warm --rw randrw --depth 8 --flush-every 5
for scene in ${SCENES:-flood frozen holes bulk idle tags memory}; do
	bench_$scene
done
finish
