#!/bin/sh
# SPDX-License-Identifier: MIT
# xenmeter study on known work: what it prints, its files, how it ends.
#
#	test_cli_study.sh XENMETER STUDY-MAKER TABLE-MAKER
set -u

xenmeter=$1
maker=$2
table_maker=$3
json_value=
. "$(dirname "$0")/cli_lib.sh"

study() {
	want=$1
	shift
	run "$want" "$xenmeter" study --table "$table" "$@"
}

usage() {
	for bad in "--interval=9" "--interval=x" "--time=0" "--time=nan"; do
		study 2 "$bad"
		complained "takes" 2
	done
	run 3 "$xenmeter" study --table "$dir/none" --time 0.1
	complained "no table at"
}

# The load is a command that has the maker work, twice, an interval apart.
known_work() {
	mkfifo "$dir/hold" "$dir/answer"
	"$maker" "$table" <"$dir/hold" >"$dir/answer" &
	exec 3>"$dir/hold" 4<"$dir/answer"
	read -r _ <&4
	cat >"$dir/load" <<'LOAD'
sleep 0.12
printf x >&3
read -r _ <&4
sleep 0.12
printf x >&3
read -r _ <&4
exit "$1"
LOAD
	study 0 --interval 50 --csv "$dir/csv" --html "$dir/html" -- sh "$dir/load" 0
	sed -n '3,$p' "$out" | grep -v '^Looking' >"$dir/got"
	cat >"$dir/expected" <<'TEXT'
                              CHARGED  BY PAGES EXCHANGED      BY REQUESTS         BY BYTES
GUEST                           CPU-s      CPU-s   ERROR%   CPU-s   ERROR%   CPU-s   ERROR%
flusher, "x", of a long name    1.800      0.000   -100.0   1.800     +0.0   0.600    -66.7
the <mover>                     0.200      2.400  +1100.0   0.600   +200.0   1.800   +800.0
all, sum of |err|               2.000      2.400    200.0   2.400     20.0   2.400    140.0
TEXT
	head -n 5 "$dir/got" | diff "$dir/expected" - || fail "the table"
	said "the daemon's CPU 2.400 s, 2.000 s of it charged to guests (100.0 % exact)"
	said "The study itself used"
	csv
	html
	study 1 -- sh "$dir/load" 5
	complained "sh failed"
	exec 3>&- 4<&-
	wait
	rm -f "$dir/hold" "$dir/answer"
}

csv() {
	head -n 1 "$dir/csv" | grep -q '^begin_seconds,length_seconds,domid,name,uuid,daemon_cpu_seconds,charged_seconds,' ||
		fail "the columns"
	# Names may have commas: count the columns that follow them from the end.
	awk -F, 'NR > 1 { charged += $(NF - 7); pages += $(NF - 4) }
		END { exit !(charged > 1.9999 && charged < 2.0001 && pages > 2.3999 && pages < 2.4001) }' \
		"$dir/csv" || { cat "$dir/csv"; fail "the sums of the CSV"; }
	grep -q ',"flusher, ""x"", of a long name",' "$dir/csv" || fail "quotes"
}

html() {
	grep -q '<b>the &lt;mover&gt;</b> would have been charged 2.200 s too much' "$dir/html" ||
		fail "the finding"
	grep -q '<mover>' "$dir/html" && fail "a name that is HTML"
	grep -Eq 'https?://|<script|<link|nan|inf[^o]' "$dir/html" && fail "not self-contained, or no numbers"
	command -v xmllint >/dev/null || return
	sed -e '/<svg/,/<\/svg>/!d' "$dir/html" | tr -d '\n' | sed 's/<\/svg>/&\n/g' |
		while read -r svg; do
			echo "$svg" | xmllint --noout - 2>"$err" || fail "SVG that is not XML"
		done
}

# Nothing happens, and yet there are no numbers that are none.
nothing() {
	mkfifo "$dir/hold" "$dir/ready"
	"$table_maker" "$table" running <"$dir/hold" >"$dir/ready" &
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
	study 0 --time 0.25 --html "$dir/html" --csv "$dir/csv"
	said "3 intervals"
	said "0.000 s of it charged"
	grep -q nan "$out" && fail "nan"
	grep -Eq 'nan|inf[^o]' "$dir/html" && fail "nan in the page"
	study 1 -- false
	complained "false failed"
	study 1 -- "$dir/no-such-command"
	complained "no-such-command: No such file"
	[ ! -s "$out" ] || fail "a study of nothing"
	# Before the study, not after it.
	for option in --html --csv; do
		study 1 $option "$dir/none/file" -- touch "$dir/began"
		complained "No such file"
		[ ! -e "$dir/began" ] || fail "the study began"
	done
	[ ! -c /dev/full ] || study 1 --time 0.1 --csv /dev/full
	# When the time is over, so is the command.
	study 0 --time 0.2 -- sleep 60
	# Interrupted, it still tells.
	"$xenmeter" study --table "$table" >"$out" 2>"$err" 3>&- &
	sleep 0.3
	kill -TERM $!
	wait $! || fail "interrupted"
	said "intervals"
	exec 3>&-
	wait
}

usage
known_work
nothing
exit $failed
