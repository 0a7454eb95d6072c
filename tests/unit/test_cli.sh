#!/bin/sh
# SPDX-License-Identifier: MIT
# xenmeter on tables with known numbers: what it prints, what it finds, how it fails.
#
#	test_cli.sh XENMETER TABLE-MAKER JSON-VALUE EXAMPLE MANUAL
set -u

xenmeter=$1
maker=$2
json_value=$3
example=$4
manual=$5

. "$(dirname "$0")/cli_lib.sh"

make() {
	"$maker" "$table" "$@" || exit 1
}

usage() {
	run 2 "$xenmeter"
	complained "which subcommand"
	run 2 "$xenmeter" frobnicate --table "$table"
	complained 'no subcommand "frobnicate"'
	run 2 "$xenmeter" --frobnicate
	complained "unrecognized option" 2
	for sub in dump check trace; do
		run 2 "$xenmeter" $sub --frobnicate
		complained "xenmeter $sub: unrecognized option" 2
		run 2 "$xenmeter" $sub extra
		complained '"extra" is one argument too many' 2
		run 2 "$xenmeter" $sub --table
		complained "requires an argument" 2
		run 0 "$xenmeter" $sub --help
		said "--table=FILE"
	done
	run 2 "$xenmeter" dump --json --csv
	complained "only one of" 2
	for seconds in 0 -1 x 1x nan 1e9 ''; do
		run 2 "$xenmeter" dump "--watch=$seconds"
		complained "--watch takes seconds" 2
	done
	run 0 "$xenmeter" --help
	said "Subcommands:"
	run 0 "$xenmeter" --version
	said "xenmeter 0."
}

# Both subcommands fail alike on what is no table.
no_table() {
	for sub in dump check "dump --json" "dump --csv" "check --json" "dump --watch 1"; do
		# shellcheck disable=SC2086 # words
		run 3 "$xenmeter" $sub --table "$dir/none"
		complained "no table at $dir/none: is xenmeterd running?"
		[ -s "$out" ] && fail "output without a table"
		# shellcheck disable=SC2086
		run 6 "$xenmeter" $sub --table "$dir"
		complained "is damaged or not a table"
		make header:0=0
		# shellcheck disable=SC2086
		run 6 "$xenmeter" $sub --table "$table"
		complained "$table is damaged"
		make header:12=4 header:8=4
		# shellcheck disable=SC2086
		run 5 "$xenmeter" $sub --table "$table"
		complained "newer xenmeterd"
	done
	: >"$table"
	run 6 "$xenmeter" check -t "$table"
}

# Root reads everything, unless it drops that capability.
no_permission() {
	make
	chmod 0 "$table"
	drop=
	if [ "$(id -u)" -eq 0 ]; then
		drop="setpriv --bounding-set=-dac_override,-dac_read_search"
		if ! $drop true 2>/dev/null; then
			echo "skipped: no permission, for want of setpriv"
			return
		fi
	fi
	for sub in dump check; do
		# shellcheck disable=SC2086
		run 4 $drop "$xenmeter" $sub --table "$table"
		complained "run as root or join the group owning it"
	done
	rm -f "$table"
}

dump_text() {
	make
	run 0 "$xenmeter" dump --table "$table"
	cat >"$dir/expected" <<'EOF'
DOMID NAME             DEV REQS MiB ERR REFUS CPU-s SHARE EXACT CYC/R  us/R EVENT SPUR
    7 mail               1   40  24   8     8 0.404  53.3  80.2 10.1k 10.1k    40    2
    3 web, the "first"   1   30  18   6     6 0.303  40.0  80.2 10.1k 10.1k    30    4

books    charged  open  idle overhead unattributed not run elapsed busy%
worker 0   0.757 0.000 1.000    0.010        0.002   0.001   1.770  43.5
%           42.8   0.0  56.5      0.6          0.1     0.0   100.0
1 worker, cpu clock agreement 1.0000
EOF
	head -n 8 "$out" | diff "$dir/expected" - || fail "the default view"
	said "xenmeterd stopped cleanly"
	grep -q gone "$out" && fail "a retired row without --all"

	run 0 "$xenmeter" dump --table "$table" --all
	said "4 gone               1    5   3   1     1 0.051   6.7"
	grep -q recycled "$out" && fail "a line for recycled rows where there are none"
	run 0 "$xenmeter" dump --table "$table" --device
	[ "$(grep -c live "$out")" -eq 3 ] || fail "three queues live"
	said "xvda 1 live"
	run 0 "$xenmeter" dump --table "$table" --device --all
	said "xvdb 0 retired"
	run 0 "$xenmeter" dump --table "$table" --stage
	said "exact        1100  2000   1500   1500   2000    0    8100   8100"
	said "apportioned   500     0      0   1500      0    0    2000   2000"
	grep -q -e offld -e kern "$out" && fail "lines for nothing"
	run 0 "$xenmeter" dump --table "$table" --histogram
	said "cycles per request: p50 9216  p90 10.0k  p99 10.2k  p99.9 10.2k"
	said "latency in ns: p50"
	said "65.5k |"
	run 0 "$xenmeter" dump --table "$table" --percentile
	cat >"$dir/expected" <<'EOF'
DOMID NAME             DEV DEVID OF          MEAN  P50   P90   P99 P99.9   MAX
    7 mail             vbd  xvda cycles     10.0k 9216 10.0k 10.2k 10.2k 10.2k
    7 mail             vbd  xvda cpu us     10.0k 9216 10.0k 10.2k 10.2k 10.2k
    7 mail             vbd  xvda latency us  69.5 69.6  90.1  97.5  98.2  98.3
    3 web, the "first" vbd  xvda cycles     10.0k 9216 10.0k 10.2k 10.2k 10.2k
    3 web, the "first" vbd  xvda cpu us     10.0k 9216 10.0k 10.2k 10.2k 10.2k
    3 web, the "first" vbd  xvda latency us  57.8 56.8  69.6  80.7  81.8  81.9
EOF
	head -n 7 "$out" | diff "$dir/expected" - || fail "percentiles"
}

# What helpers and the kernel ran for mail: its 8 flushes cost as much as all its requests'
# stages, and no view of people had them.
dump_offloaded() {
	make row:4:31=410000 row:4:330=400000 row:4:333=10000 row:4:334=4000 row:4:336=4000 \
		row:4:322=40000
	run 0 "$xenmeter" dump --table "$table" --stage
	said "exact        1100  2000   1500   1500   2000 1000    9100   9100"
	said "offld flush     -     -      -      -      -    -   50.0k  50.0k"
	said "offld other     -     -      -      -      -    -     250    250"
	said "kern event      -     -      -      -      -    -     100    100"
	[ "$(grep -c -e offld -e kern "$out")" -eq 3 ] || fail "lines for mail alone"
	run 0 "$xenmeter" dump --table "$table" --percentile
	said "offld us/flush 50.0k"
	[ "$(grep -c offld "$out")" -eq 1 ] || fail "a mean for flushes alone"
}

# What is shown as 0.000 s has no percentage: it said "100.0 % unattributed" of nothing.
dump_nothing_offloaded() {
	make worker:0:12=400 worker:0:14=400
	run 0 "$xenmeter" dump --table "$table"
	said "offloaded 0.000 s"
	grep -q '100.0 % unattributed' "$out" && fail "a percentage of nothing"
	make worker:0:12=4000 worker:0:14=1000
	run 0 "$xenmeter" dump --table "$table"
	said "offloaded 0.004 s (25.0 % unattributed)"
}

# A living guest is one line by its uuid, with its rows that are gone, also those under
# another domid: shares added up to 14 % after a detach or a restore.
dump_gone_rows() {
	make row-state:1=2 row-domid:1=2
	run 0 "$xenmeter" dump --table "$table"
	said '3 web, the "first"   1   30  18   6     6 0.303  40.0'
	[ "$(grep -c web "$out")" -eq 1 ] || fail "one line a guest"
	grep -q gone "$out" && fail "a guest that is gone without --all"
	run 0 "$xenmeter" dump --device --table "$table"
	[ "$(grep -c web "$out")" -eq 1 ] || fail "one queue is live"
}

# Any view is printed of an empty table.
dump_empty() {
	make empty
	run 0 "$xenmeter" dump --table "$table"
	said "No guests are being served."
	for view in --device --stage --histogram --percentile --json --csv; do
		run 0 "$xenmeter" dump $view --table "$table"
	done
}

# screen LINES COLUMNS COMMAND...: what it prints on a terminal of that size
screen() {
	size="$1 $2"
	shift 2
	script -qec "stty rows ${size% *} cols ${size#* }; $*" /dev/null </dev/null |
		tr -d '\r' >"$out"
}

# Nothing wraps, the dearest come first, what does not fit is summed up, and names are cut
# on a terminal only. With 51 guests a terminal of 24 lines showed the 14 cheapest.
dump_screen() {
	if ! command -v script >/dev/null; then
		echo "skipped: terminals, for want of script (bsdutils)"
		return
	fi
	make guests=51 "name:51=a name that is so long that it can hardly be longer"
	for view in "" --device --stage --percentile; do
		screen 24 80 "$xenmeter" dump $view --table "$table"
		[ "$(LC_ALL=C.UTF-8 wc -L <"$out")" -le 80 ] || fail "$view: wider than 80 columns"
		[ "$(wc -l <"$out")" -le 23 ] || fail "$view: more than a screen"
		sed -n 2p "$out" | grep -q '51 a name.*…' || fail "$view: the dearest first"
		said "more"
	done
	screen 24 80 "$xenmeter" dump --table "$table"
	said "+36 more"
	[ "$(awk '/more/ { print $5 }' "$out")" = 666 ] || fail "requests of the rest"
	[ "$(grep -c 'guest-' "$out")" -eq 14 ] || fail "lines for guests"
	screen 24 80 "$xenmeter" dump --limit 0 --table "$table"
	[ "$(grep -c 'guest-' "$out")" -eq 50 ] || fail "all guests"
	screen 10 50 "$xenmeter" dump --table "$table"
	[ "$(LC_ALL=C.UTF-8 wc -L <"$out")" -le 50 ] || fail "wider than 50 columns"
	screen 24 80 timeout 1 "$xenmeter" dump --watch 0.2 --table "$table"
	# From the last home position of the cursor on, it is one screen.
	sed 's/.*\x1b\[2J//' "$out" | awk '/every 0.2 s/ { n = 0 } { n++ } END { exit n > 23 }' ||
		fail "more than a screen while watching"
	run 0 "$xenmeter" dump --table "$table"
	said "51 a name that is so long that it can hardly be lo"
	grep -q … "$out" && fail "a name cut where there is no terminal"
	[ "$(grep -c 'guest-' "$out")" -eq 50 ] || fail "all guests where there is no terminal"
}

# Names in UTF-8 were question marks everywhere.
dump_names() {
	name=$(printf 'caf\303\251 \346\274\242\033[2J')
	make "name:4=$name"
	run 0 "$xenmeter" dump --table "$table"
	said '7 café 漢\x1b[2J'
	run 0 "$xenmeter" dump --csv --table "$table"
	said '"café 漢\x1b[2J"'
	run 0 "$xenmeter" dump --json --table "$table"
	value rows.2.name "$name"
	value devices.0.device_name xvda
	run 0 "$xenmeter" dump -g "$name" --table "$table"
	said "café"
}

# lines: who is shown, in this order
lines() {
	got=$(sed -n '2,/^$/p' "$out" | awk 'NF { print $1 }' | tr '\n' ' ')
	[ "$got" = "$1" ] || fail "lines $got, not $1"
}

dump_options() {
	make
	for guest in 'web, the "first"' 3 11111111-1111-1111-1111-111111111111; do
		run 0 "$xenmeter" dump --guest "$guest" --table "$table"
		lines "3 "
		said "40.0" # of all that was charged
	done
	run 0 "$xenmeter" dump --json -g mail --table "$table"
	value rows 1
	value devices 1
	run 0 "$xenmeter" dump --csv -g 3 --table "$table"
	[ "$(wc -l <"$out")" -eq 3 ] || fail "two rows"
	run 0 "$xenmeter" dump -g gone --table "$table"
	lines "4 "
	run 1 "$xenmeter" dump -g nobody --table "$table"
	complained 'no guest "nobody"'
	run 1 "$xenmeter" dump -g nobody --watch 1 --table "$table"
	complained 'no guest "nobody"'
	run 0 "$xenmeter" dump --sort domid --all --table "$table"
	lines "3 4 7 "
	run 0 "$xenmeter" dump --sort name --all --table "$table"
	lines "4 7 3 "
	run 0 "$xenmeter" dump --sort events --all --table "$table"
	lines "7 3 4 "
	run 0 "$xenmeter" dump --limit 1 --sort name --table "$table"
	lines "7 - "
	said "+1 more   1   30  18"
	run 2 "$xenmeter" dump --sort colour
	complained "--sort takes cpu, requests," 3
	run 2 "$xenmeter" dump --limit -1
	complained "takes a number" 2
	run 2 "$xenmeter" dump --by name
	complained "takes domid or uuid" 2
	run 2 "$xenmeter" dump --since x --watch 1
	complained "only one of" 2
	run 0 "$xenmeter" dump --by uuid --table "$table"
	said "11111111-1111-1111-1111-111111111111 web"
}

# The difference to a copy: what happened since, of the same daemon only.
dump_since() {
	make
	cp "$table" "$dir/copy"
	"$maker" "$dir/other"
	run 0 "$xenmeter" dump --since "$dir/copy" --json --table "$table"
	value rows.2.counters.requests 0
	value rows.2.cpu_seconds.total 0.0
	run 1 "$xenmeter" dump --since "$dir/other" --table "$table"
	complained "is not a copy"
	run 3 "$xenmeter" dump --since "$dir/none" --table "$table"
	complained "$dir/none: No such file"
	grep -q 'is xenmeterd running' "$err" && fail "a copy is no daemon's"
	# Without xenstore, what to do.
	XENSTORED_PATH=$dir/none
	export XENSTORED_PATH
	for command in drivers "top -R -b -n 1" "record --drivers --once -d $dir/drivers"; do
		run 1 "$xenmeter" $command
		complained "cannot reach xenstore: "
		complained "; run it in dom0 as root"
	done
	unset XENSTORED_PATH
}

dump_json() {
	make
	run 0 "$xenmeter" dump --json --table "$table"
	value table.state stopped
	value table.clock_khz 1000
	value table.version 3
	value table.clock_invariant true
	value books.counters.charged 757500
	value books.seconds.charged 0.7575
	value books.seconds.idle 1.0
	value books.rows_charged 757500
	value books.cpu_ratio 1.0
	value workers 1
	value workers.0.counters.elapsed 1770000
	value workers.0.cpu_exact true
	value rows 3
	value rows.0.name 'web, the "first"'
	value rows.0.uuid 11111111-1111-1111-1111-111111111111
	value rows.2.uuid null
	value rows.2.domid 7
	value rows.2.counters.requests 40
	value rows.2.counters.exact_parse 44000
	value rows.2.seconds.exact_parse 0.044
	value rows.2.histograms.request_cycles 1
	value rows.2.histograms.request_cycles.0.0 8192
	value rows.2.histograms.request_cycles.0.1 40
	value rows.2.torn false
	value devices 2
	value devices.0.name mail
	value devices.0.devid 51712
	value devices.0.live true
	value devices.0.percentiles.request_cycles.count 40
	value devices.0.percentiles.request_cycles.p50 9215.5
	value devices.0.percentiles.request_latency.max 98303
	run 0 "$xenmeter" dump --json --all --table "$table"
	value rows 5
	value rows.0.state recycled
	value rows.3.state retired
	make empty
	run 0 "$xenmeter" dump --json --table "$table"
	value rows 0
	value books.cpu_ratio null
	# A name that is neither ASCII nor UTF-8 makes no JSON that is not valid.
	make row-name:4=255
	run 0 "$xenmeter" dump --json --table "$table"
	value rows.2.name '?ail'
}

# What the manual says to run bills each guest all that it cost: it left out the offload.
manual_example() {
	if ! command -v jq >/dev/null; then
		echo "skipped: the manual's example, for want of jq"
		return
	fi
	make row:4:31=1000000 row:4:63=400000
	run 0 "$xenmeter" dump --json --table "$table"
	value rows.2.cpu_seconds.exact 0.324
	value rows.2.cpu_seconds.apportioned 0.08
	value rows.2.cpu_seconds.offload 1.0
	value rows.2.cpu_seconds.total 1.404
	sed -n "s|^\.Dl xenmeter dump --json --all|$xenmeter dump --json --all -t $table|p" \
		"$manual" >"$dir/example"
	[ "$(wc -l <"$dir/example")" -eq 1 ] || fail "one example"
	run 0 sh "$dir/example"
	said '["mail",1.404]'
	said '["gone",0.0505]'
}

# What was taken out of charges did not run. It was in no column, which did not add up then.
dump_repaired() {
	make worker:0:17=600 worker:0:18=700
	run 0 "$xenmeter" dump --table "$table"
	said "worker 0   0.757 0.000 1.000    0.010        0.001   0.002   1.770  43.5"
	run 7 "$xenmeter" check --table "$table"
}

# A second each of softirqs and of ends of block I/O were charged. They were not in the sum.
dump_whole_domain() {
	"$maker" "$table" row:1:338=1000000 row:1:339=1000000 domain
	run 0 "$xenmeter" dump --domain --table "$table"
	said "Guests were charged 12.000 s of it, 26.7 %"
	said "The kernel counts 45.000 s, named 97.8 %"
}

# Each example of the manual is run, with this table, records of it, and no xenstore; what
# needs more than that must at least be a command that there is.
manual_examples() {
	make
	mkdir "$dir/bin"
	"$xenmeter" record --once --directory "$dir/records" --table "$dir/none"
	"$xenmeter" record --once --directory "$dir/records" --table "$table"
	cat >"$dir/bin/xenmeter" <<-EOF
		#!/bin/sh
		sub=\$1
		shift
		case "\$sub \$*" in
		bill*) set -- "\$@" --directory "$dir/records" ;;
		*--drivers*) ;;
		top*) set -- "\$@" --batch -n 1 --delay 0.1 --table "$table" ;;
		study*) set -- --table "$table" --time 0.2 --html "$dir/study.html" ;;
		*) set -- "\$@" --table "$table" ;;
		esac
		exec "$xenmeter" "\$sub" "\$@"
	EOF
	chmod +x "$dir/bin/xenmeter"
	sed -n 's/^\.Dl //p' "$manual" | sed "s,/run/xenmeter/table,$table,; s,/tmp/then,$dir/then,g; s/sleep 3600/:/" >"$dir/examples"
	[ "$(wc -l <"$dir/examples")" -ge 9 ] || fail "examples of the manual"
	while read -r shown; do
		PATH=$dir/bin:$PATH XENSTORED_PATH=$dir/none sh -c "$shown" >"$out" 2>"$err" </dev/null
		status=$?
		case $status:$shown in
		0:* | 1:*--drivers* | 3:*trace*) ;;       # no xenstore, no rings
		2:*nagios*) grep -q CRITICAL "$out" || fail "$shown" ;; # it does not run
		*) fail "$shown: status $status" ;;
		esac
	done <"$dir/examples"
}

dump_csv() {
	make
	run 0 "$xenmeter" dump --csv --all --table "$table"
	[ "$(wc -l <"$out")" -eq 6 ] || fail "a header and five rows"
	# Quoted commas apart, each line has as many columns as the first.
	sed 's/"[^"]*"//g' "$out" | awk -F, 'NR == 1 { n = NF } NF != n { exit 1 }' ||
		fail "columns differ"
	head -n 1 "$out" | grep -q '^time,index,state,torn,worker,domid,name,uuid,device,devid,device_name,queue,generation,cpu_seconds,requests,bytes,' ||
		fail "the header"
	[ "$(grep -cE '^[0-9]{10,}\.[0-9]{3},' "$out")" -eq 5 ] || fail "the time in each row"
	said ',1,live,0,0,3,"web, the ""first""",11111111-1111-1111-1111-111111111111,"vbd",51712,xvda,0,1,0.101000000,10,6291456,2,2,'
	said ',4,live,0,0,7,"mail",,"vbd",51712,xvda,0,4,0.404000000,40,25165824,8,8,'
	run 0 "$xenmeter" dump --csv --table "$table"
	[ "$(wc -l <"$out")" -eq 4 ] || fail "a header and three rows"
}

# A full disk is named, in one line: it was "Success", or an error of input and output.
full() {
	make
	for sub in dump "dump --device" "dump --stage" "dump --histogram" \
		"dump --percentile" "dump --json" "dump --csv" "dump --watch 0.1" \
		"dump --json --watch 0.1" "check --stopped" "check --stopped --json" \
		"check --stopped --format nagios" "top -b -n 1 -a" "top -j -n 1 -a" \
		"export --textfile -" "study --time 0.1"; do
		: >"$out"
		# shellcheck disable=SC2086 # words
		timeout 10 "$xenmeter" $sub --table "$table" >/dev/full 2>"$err"
		[ $? -eq 1 ] || fail "$sub: the status of a write that failed"
		complained "cannot write the output: No space left on device"
	done
	"$xenmeter" record --once --directory "$dir/some" --table "$dir/none" 2>/dev/null
	"$xenmeter" record --once --directory "$dir/some" --table "$table"
	for format in table csv jsonl focus; do
		"$xenmeter" bill --directory "$dir/some" --format $format >/dev/full 2>"$err"
		[ $? -eq 1 ] || fail "bill --format $format: the status of a write that failed"
		complained "cannot write the output: No space left on device"
	done
}

# The completion knows every option that a subcommand lists, and the subcommands.
completion() {
	if ! command -v bash >/dev/null; then
		echo "skipped: completion, for want of bash"
		return
	fi
	mkdir -p "$dir/path"
	ln -sf "$(realpath "$xenmeter")" "$dir/path/xenmeter"
	# completed WORD...: what may stand in place of the last one
	completed() {
		# shellcheck disable=SC2016
		PATH=$dir/path:$PATH bash -c '. "$1"; compopt() { :; }; shift
			COMP_WORDS=(xenmeter "$@") COMP_CWORD=$#; _xenmeter
			printf "%s\n" "${COMPREPLY[@]}"' bash \
			"$(dirname "$0")/../../tools/xenmeter.completion" "$@" 2>"$err" | sort
	}
	subcommands=$("$xenmeter" --help | sed -n '/^Subcommands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort)
	[ "$(completed '')" = "$subcommands" ] && [ "$(echo "$subcommands" | wc -l)" -ge 9 ] ||
		fail "subcommands: $(completed '')"
	for sub in $subcommands; do
		"$xenmeter" "$sub" --help | grep -oE '^ +(-., )?--[a-z-]+=?|^ +(-.=?[A-Z]*, )?--[a-z-]+' |
			grep -oE -e '--[a-z-]+' | sort >"$dir/listed"
		completed "$sub" -- | tr -d = | diff "$dir/listed" - >"$out" || fail "options of $sub"
	done
}

states() {
	for state in died silent stale; do
		make $state
		run 0 "$xenmeter" dump --json --table "$table"
		value table.state $state
		run 7 "$xenmeter" check --table "$table"
		said "daemon: $state"
		complained "the daemon does not run ($state)"
		run 0 "$xenmeter" check --stopped --table "$table"
	done
	make died
	run 0 "$xenmeter" dump --table "$table"
	said ") died: last heartbeat"
	make silent
	run 0 "$xenmeter" dump --table "$table"
	said ") does not answer: last heartbeat"
	make stale
	run 0 "$xenmeter" dump --table "$table"
	said "from before the last boot"
}

# watched TEXT OPTION...: --watch, until the text has come twice; a busy machine once had
# nothing after a second
watched() {
	text=$1
	shift
	: >"$out"
	"$xenmeter" dump --watch 0.2 --table "$table" "$@" >"$out" 2>"$err" 3>&- &
	watcher=$!
	tries=0
	until [ "$(grep -cE -e "$text" "$out")" -ge 2 ]; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || { fail "not twice: $text"; break; }
		sleep 0.05
	done
	kill $watcher
	wait $watcher 2>/dev/null
}

# A table whose writer is there: start it, and stop it by the end of its input.
running() {
	mkfifo "$dir/hold" "$dir/ready"
	"$maker" "$table" running <"$dir/hold" >"$dir/ready" &
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
	run 0 "$xenmeter" dump --table "$table"
	said "xenmeterd running, pid $!"
	run 0 "$xenmeter" check --table "$table"
	said "daemon: running"
	watched '^2[0-9]{3}-[0-9-]{5} [0-9:]{8}, every 0.2 s$'
	said "REQ/s"
	said "CPU%"
	watched '"mail"' --csv
	[ "$(grep -c '^time,index' "$out")" -eq 1 ] || fail "one header"
	watched '"state":' --json
	head -n 1 "$out" >"$dir/line" && mv "$dir/line" "$out"
	value table.state running
	exec 3>&-
	wait
	# The time of a later life is its own; it once was that of the first.
	"$maker" "$table" header:148=3 running <"$dir/hold" >"$dir/ready" &
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
	run 0 "$xenmeter" dump --table "$table"
	life=$(sed -n 's/.*, since \(.*\) (life 3; accounts since .*)$/\1/p' "$out")
	accounts=$(sed -n 's/.* (life 3; accounts since \(.*\))$/\1/p' "$out")
	[ $(($(date -d "$life" +%s) - $(date -d "$accounts" +%s))) -eq 60 ] ||
		fail "the times of this life and of the accounts"
	run 0 "$xenmeter" check --table "$table"
	said "note: the daemon is in its life 3, which began "
	exec 3>&-
	wait
	rm -f "$dir/hold" "$dir/ready"
}

# It once said that $1 is unbound, or ran with what was missing.
storage_daemon_usage() {
	for call in "" start "start 1-51712" "start 1-51712 qcow2:/x" "stop 1-51712 w" "admit 1-51712" \
		"look 1-51712"; do
		run 1 "$(dirname "$0")/../../tools/xenmeter-storage-daemon" $call
		complained "usage: xenmeter-storage-daemon start DOMID-DEVID TARGET r|w"
	done
}

# broken TEXT CHANGE... : check finds it and says where
broken() {
	text=$1
	shift
	make "$@"
	run 1 "$xenmeter" check --table "$table"
	said "$text"
	tail -n 1 "$out" | grep -q '^check: [0-9]* fault' || fail "the last line"
	run 1 "$xenmeter" check --json --table "$table"
	value balanced false
}

check() {
	make
	run 7 "$xenmeter" check --table "$table"
	complained "the daemon does not run (stopped)"
	run 0 "$xenmeter" check --stopped --table "$table"
	said "cpu clock agreement: 1.0000"
	[ "$(tail -n 1 "$out")" = "check: books balanced: 3 guests, 0.76 s charged (80.2 % exact), 0.1 % unattributed" ] ||
		fail "the last line"
	run 0 "$xenmeter" check --stopped --json --table "$table"
	value balanced true
	value faults 0
	value summary "books balanced: 3 guests, 0.76 s charged (80.2 % exact), 0.1 % unattributed"

	broken "row 1 (domid 3 vbd 51712 queue 0): requests of all kinds: 10, not 11" row:1:0=11
	broken "requests in request_cycles: 10, not 11" row:1:0=11
	broken "requests in request_latency: 41, not 40" row:4:200=1
	broken "cycles of requests: 1000320000, not at most 404000" row:4:34=1000000000
	broken "refused: 8, not at most 7" row:4:2=7
	broken "events_spurious: 99, not at most 40" row:4:8=99
	broken "rows hold 757501 cycles, workers charged 757500: 1 too many" row:0:25=1
	broken "rows hold 757400 cycles, workers charged 757500: 100 are lost" row:1:16=10900
	broken "worker 0: its books add up to 1770001 cycles, but 1770000 elapsed" worker:0:1=1000001
	broken "worker 0: 1 of 2 audits failed" worker:0:10=1
	broken "row 2 (domid 3) is torn" sequence:2=7
	broken "schema: slot 0, that of requests, has another name" field:0:0=88
	broken "schema: bytes stands at slot 99+1, not 1+1" field:1:180=99
	broken "schema: requests is not in requests" field:0:32=88
	# Two clocks: worth a note, and no more.
	make worker:0:6=500000000
	run 7 "$xenmeter" check --table "$table"
	said "note: the meter and the kernel's CPU clock differ by 53.9 %"
	# What a killed worker could not write down any more is no fault, nor is an entry that
	# it was in the middle of, nor what one that stands still has not written yet.
	make died row:4:17=80100
	run 7 "$xenmeter" check --table "$table"
	said "note: 100 cycles were charged after the last entry in the books, before the daemon died"
	make died sequence:4=7
	run 7 "$xenmeter" check --table "$table"
	said "note: row 4 (domid 7) is torn"
	make silent row:4:17=80100
	run 7 "$xenmeter" check --table "$table"
	said "before the daemon fell silent"
}

# nagios STATUS WORD OPTION...: the first word of the verdict, and its exit status
nagios() {
	status=$1
	word=$2
	shift 2
	run "$status" "$xenmeter" check --format nagios --table "$table" "$@"
	[ "$(wc -l <"$out")" -eq 1 ] || fail "more than a line"
	grep -q "^XENMETER $word - [^|]*\( | [^|]*\)\?$" "$out" || fail "no line of a plugin that says $word"
}

# A monitoring system reads the exit status, one line, and figures behind a bar.
check_nagios() {
	make 'name:4=a|b'
	nagios 2 CRITICAL
	said "the daemon does not run (stopped), books balanced: 3 guests"
	nagios 0 OK --stopped
	said " | charged=0.757s offloaded=0.000s unattributed=0."
	make worker:0:6=500000000 row:4:0=41
	nagios 2 CRITICAL --stopped
	said "3 faults, the first: row 4 (domid 7 vbd 51712 queue 0)"
	mkfifo "$dir/ready" "$dir/hold"
	"$maker" "$table" 'name:4=a|b' running <"$dir/hold" >"$dir/ready" &
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
	nagios 0 OK --warning 30 --critical 50 --interval 0.1
	said "takes 0.0 % of this domain, books balanced"
	said " guest=0.00%;30;50;0;100"
	exec 3>&-
	wait
	run 2 "$xenmeter" check --format nagios --table "$dir/none"
	said "XENMETER CRITICAL - $dir/none: no table"
	run 2 "$xenmeter" check --format nagios --table "$dir"
	said "damaged or no table"
	run 2 "$xenmeter" check --format xml
	complained "--format is text, json or nagios" 2
	# What would be ignored is refused.
	for option in --warning=30 --critical=30 --interval=1; do
		run 2 "$xenmeter" check "$option" --table "$table"
		complained "are for --format nagios" 3
	done
	run 2 "$xenmeter" check --warning 0
	complained "--warning takes a number up to 100" 2
}

# The program that accounting/example.c shows.
example() {
	make
	run 0 "$example" "$table"
	said 'web, the "first" vbd 51712.1: 0.202000 s'
	said "mail vbd 51712.0: 0.404000 s"
	grep -q gone "$out" && fail "a retired row"
	run 1 "$example" "$dir/none"
}

usage
no_table
no_permission
dump_text
dump_offloaded
dump_nothing_offloaded
dump_gone_rows
dump_empty
dump_screen
dump_names
dump_options
dump_since
dump_json
dump_repaired
dump_whole_domain
manual_example
manual_examples
dump_csv
full
completion
states
running
check
check_nagios
storage_daemon_usage
example
exit $failed
