# SPDX-License-Identifier: MIT
# For the scenarios that say where dom0's CPU went; sourced in dom0.
#
# Each figure is the difference of a long and a short run of the same, so that what is done
# once, such as to start a load and to look at the books, is not in it.
. /xm/net.sh

# The kernel's own null device, whose requests end in softirqs; a file on ext4 on NVMe, whose
# requests end in interrupts, and its writes in kworkers; the network to dom0 itself and from
# guest to guest. A name, who runs what, and how much of it: few, many. N stands for that.
null=/dev/xvda file=/dev/xvdb
loads=(
	"4k read, depth 1|one|/load $null read 4096 1 N|500 6500"
	"4k read, depth 32|one|/load $null read 4096 32 N|2000 26000"
	"64k read, depth 16|one|/load $null read 65536 16 N|500 8000"
	"4k write, depth 32|one|/load $null write 4096 32 N|2000 26000"
	"file, 4k read, depth 4|one|/load $file read 4096 4 N|500 9500"
	"file, 4k write, depth 4|one|/load $file write 4096 4 N|500 7500"
	"TCP to dom0|one|iperf3 -i 0 -c 10.0.0.1 -n NM|4 84"
	"TCP to the guest|one|iperf3 -i 0 -c 10.0.0.1 -R -n NM|4 84"
	"UDP to dom0|one|iperf3 -i 0 -c 10.0.0.1 -u -b 80M -l 1400 -n NM|1 13"
	"UDP to the guest|one|iperf3 -i 0 -c 10.0.0.1 -R -u -b 80M -l 1400 -n NM|1 13"
	"TCP, guest to guest|two|iperf3 -i 0 -c 10.0.0.2 -n NM|4 54"
	"two guests' reads|both|/load $null read 4096 4 N|500 6500"
)

# Those that XEN_ROWS names, as an extended regular expression; all by default.
wanted=()
for each in "${loads[@]}"; do
	! grep -qE "$(cat /xm/rows)" <<<"${each%%|*}" || wanted+=("$each")
done
loads=("${wanted[@]}")
guests=one
! grep -qE '\|(two|both)\|' <<<"${loads[*]}" || guests='one two'

# name, how_much LOAD: of one of the list above
name() { echo "${1%%|*}"; }
how_much() { echo "${1##*|}"; }

# load LOAD AMOUNT: runs it
load() {
	local guest command name
	IFS='|' read -r _ guest command _ <<<"$1"
	command=${command//N/$2}
	[ "$guest" = both ] || { on "$guest" "$command"; return; }
	for name in one two; do begin $name "$command"; done
	for name in one two; do finish $name || fail "$name: $ANSWER"; done
}

# make_guests: `one`, and `two` if a load wants it, with a null device, a file and an interface each
make_guests() {
	local name number=1
	mkdir -p "$D"
	insmod_null
	for name in $guests; do
		number=$((number + 1))
		dd if=/dev/zero of="$D/$name.img" bs=1M count=32 2>/dev/null
		sync
		DISKS=$(disks "$(disk xvda "/dev/nullb$((number - 2))")" "$(disk xvdb "$D/$name.img")") \
			net_guest $name $number
	done
	for name in $guests; do
		up $name
		on $name 'until [ -b /dev/xvda ] && [ -b /dev/xvdb ]; do sleep 0.1; done'
	done
}

insmod_null() {
	[ -b /dev/nullb1 ] || {
		rmmod null_blk 2>/dev/null || :
		insmod /modules/null_blk.ko nr_devices=2
	}
}

columns='xen elapsed running unnamed daemon storage interrupt softirq idle kernel process stolen
	timer charged offload event idle_exit k_softirq k_block k_kthread
	overhead unattributed'

# books_now: as tests/xen/books.c says; of a daemon that does not measure only the first
books_now() { books ${1:+--no-domain}; }

# difference A B: B - A, column by column
difference() { echo "$1 $2" | awk '{ n = NF / 2; for (i = 1; i <= n; i++) printf "%d ", $(n + i) - $i }'; }

# idle [--no-domain]: what is done while no guest wants anything; sets IDLE. Processes are
# mostly those that look at the books, however long that was ago.
idle() {
	local before
	before=$(books_now "${1:-}")
	sleep 10
	IDLE=$(difference "$before" "$(books_now "${1:-}")" |
		awk 'NF > 2 { $1 -= $11; $3 -= $11; $11 = 0 } { print }')
	echo "@@ idle: $IDLE"
}

# over_idle DIFFERENCE: less what an idle domain does in the same time
over_idle() {
	echo "$IDLE $1" | awk '{ n = NF / 2
		for (i = 1; i <= n; i++) printf "%d ", $(n + i) - (i == 2 ? 0 : $i * $(n + 2) / $2) }'
}

# added LOAD FEW MANY [--no-domain]: what the load adds; sets ADDED
added() {
	local a b c
	a=$(books_now "${4:-}")
	load "$1" "$2"
	b=$(books_now "${4:-}")
	load "$1" "$3"
	c=$(books_now "${4:-}")
	ADDED=$(over_idle "$(difference "$(difference "$a" "$b")" "$(difference "$b" "$c")")")
}

# lines: the domain's, in us, and what was charged of each
lines() {
	xenmeter dump --json | jq -r '.domain.lines[] |
		"\(.kind):\(.name | gsub(" "; "_")) \(.seconds * 1e6 | floor) \((.charged_seconds // 0) * 1e6 | floor)"'
}

# grown: what grew by more than a millisecond since /tmp/lines was written
grown() {
	lines | awk 'NR == FNR { ran[$1] = $2; charged[$1] = $3; next }
		$2 - ran[$1] > 1000 { printf " %s %d/%d", $1, $3 - charged[$1], $2 - ran[$1] }' /tmp/lines -
}

# paced LOAD: by a process of dom0's, whose timers are its own, as is what it runs
paced() { case $(name "$1") in "UDP to the guest"*) echo 1 ;; *) echo 0 ;; esac; }

# cover LOAD FEW MANY: prints what a load adds, by line and by row, and what of dom0's work,
# less its own processes, stands in rows; sets COVERED to that and UNNAMED, in permille. The
# count is Xen's as dom0 has it from the runstate: at the same moment as its lines.
cover() {
	local name
	name=$(name "$1")
	lines >/tmp/lines
	added "$1" "$2" "$3"
	echo "@@ $name: of each line charged/ran:$(grown)"
	# shellcheck disable=SC2086
	echo "@@ $name: $(paste -d= <(printf '%s\n' $columns) <(printf '%s\n' $ADDED) | xargs)"
	read -r ALL COVERED UNNAMED <<<"$(echo "$(paced "$1") $ADDED" | awk '{
		all = $4 - $12 - $1 * $14; rows = $15 + $16 + $17 + $18 + $19 + $20 + $21
		printf "%d %d %d\n", all, 1000 * rows / all, 1000 * $5 / $4 }')"
	echo "@@ $name: of $ALL us rows have $COVERED permille; unnamed $UNNAMED"
}
