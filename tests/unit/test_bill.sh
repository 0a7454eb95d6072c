#!/bin/sh
# SPDX-License-Identifier: MIT
# xenmeter record and bill on tables with known numbers: the sum of bills is the table's, by
# whatever they are added up.
#
#	test_bill.sh XENMETER TABLE-MAKER JSON-VALUE
set -u

xenmeter=$1
maker=$2
json_value=$3
. "$(dirname "$0")/cli_lib.sh"
records=$dir/records

bill() {
	run 0 "$xenmeter" bill --directory "$records" "$@"
	[ ! -s "$err" ] || fail "complaints"
}

# Begun before there is a table, so that all of it is recorded.
record() {
	run 0 "$xenmeter" record --once --directory "$records" --table "$table"
	complained "no table at $table yet"
	"$maker" "$table" row:4:31=1000000 row:4:63=400000
	run 0 "$xenmeter" record --once --directory "$records" --table "$table"
	run 0 "$xenmeter" record --once --directory "$records" --table "$table"
	[ "$(stat -c %a "$records")" = 750 ] || fail "the mode of the directory"
	[ "$(stat -c %a "$records"/usage-*.jsonl)" = 640 ] || fail "the mode of records"
	run 2 "$xenmeter" record --period 0
	complained "seconds are a number above 0" 3
	mkdir "$dir/other"
	echo '{}' >"$dir/other/state"
	run 6 "$xenmeter" record --once --directory "$dir/other" --table "$table"
	complained "is damaged"
}

# What was charged and offloaded, and 0.012 s for nobody.
sums() {
	for by in guest hour day kind; do
		bill --by $by
		[ "$(awk '$1 == "total" { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9.]+$/) { print $i; exit } }' "$out")" = 1.769 ] ||
			fail "the sum by $by"
	done
	bill
	grep -q '^mail  *mail  *1.404 ' "$out" || fail "a guest by its name"
	grep -q '^(overhead)  *-  *0.012 ' "$out" || fail "the overhead"
	bill --by kind
	grep -q '^offload  *1.000 ' "$out" || fail "the offload"
	bill --by kind --price 3600 --guest mail
	grep -q '^read  *0.080  *0.080000 ' "$out" || fail "a price"
	bill --spread
	grep -q '^total  *-  *1.769 ' "$out" || fail "the sum with the overhead spread"
	grep -q overhead "$out" && fail "overhead that was spread"
	bill --guest 11111111-1111-1111-1111-111111111111
	grep -q '^total  *-  *0.303 ' "$out" || fail "one guest"
	run 0 "$xenmeter" bill --directory "$records" --from 2000 --to 2001-06-01
	grep -q '^total  *-  *0.000 ' "$out" || fail "another time"
	complained "no records of that time in $records"
	bill --from 2001-06-01T00:00
	grep -q '^total  *-  *1.769 ' "$out" || fail "all the time"
}

formats() {
	bill --format csv
	sed 's/"[^"]*"//g' "$out" | awk -F, 'NR == 1 { n = NF } NF != n { exit 1 }' ||
		fail "columns of the CSV differ"
	bill --format focus --price 1
	head -n 1 "$out" | grep -q '^ChargePeriodStart,ChargePeriodEnd,' || fail "FOCUS"
	bill --format jsonl
	head -n 1 "$out" >"$dir/line" && mv "$dir/line" "$out"
	value key mail
	value cpu_seconds 1.404
	value quality complete
}

# A record that is there twice counts once, and what is no record is said.
twice() {
	cp "$records"/usage-*.jsonl "$records/usage-0000-00.jsonl"
	echo '{"id":' >>"$records/usage-0000-00.jsonl"
	run 0 "$xenmeter" bill --directory "$records"
	grep -q '^total  *-  *1.769 ' "$out" || fail "records that are there twice"
	complained "1 line is in $records no record"
	run 1 "$xenmeter" bill --directory "$dir/none"
	complained "No such file"
	# This once was a complete bill of nothing.
	mkdir "$dir/empty"
	run 1 "$xenmeter" bill --directory "$dir/empty"
	complained "no records in $dir/empty; is xenmeter-record running?"
	[ ! -s "$out" ] || fail "a bill without records"
	run 2 "$xenmeter" bill --from yesterday
	complained "a time is like" 3
	run 2 "$xenmeter" bill --from 2026-13
	complained "a time is like" 3
	run 2 "$xenmeter" bill --from 2026-11-29 --to 2026-11
	complained "--from 2026-11-29 is not before --to 2026-11" 3
	run 2 "$xenmeter" bill --by week
	complained '--by does not take "week"; it takes guest, hour, day or kind' 3
	run 2 "$xenmeter" bill --format xml
	complained '--format does not take "xml"; it takes table, csv, jsonl or focus' 3
	[ -e /var/lib/xenmeter ] || [ -e /var/lib/xenmeter-drivers ] || {
		run 1 "$xenmeter" bill
		complained "enable xenmeter-record.service, or name --directory"
	}
	run 2 "$xenmeter" bill --spread --by hour
	complained "--spread is for" 3
}

# A guest that was renamed is billed whole, by either name; it was once the hours of one name.
# Two guests may have had one name.
renamed() {
	mkdir "$dir/renamed"
	entry() { # ID SUBJECT NAME HOUR
		printf '{"id":"%s","subject":"%s","data":{"name":"%s","uuid":"%s","begin":"%s","end":"%s","quality":"complete","cpu_seconds":{"exact":1,"total":1},"values":{},"khz":1}}\n' \
			"$1" "$2" "$3" "$2" "2026-11-29T0$4:00:00Z" "2026-11-29T0$4:59:59Z"
	}
	{
		entry 1 u-1 mail 1
		entry 2 u-1 post 2
		entry 3 u-2 mail 2
		entry 4 u-3 web 2
	} >"$dir/renamed/usage-2026-11.jsonl"
	records=$dir/renamed
	for case in mail:3 post:2 u-1:2 web:1; do
		bill --guest "${case%:*}"
		grep -q "^total  *-  *${case#*:}\.000 " "$out" || fail "all of ${case%:*}"
	done
	bill --guest mail --from 2026-11-29T02
	grep -q "^total  *-  *2\.000 " "$out" || fail "an hour of mail"
	run 1 "$xenmeter" bill --directory "$records" --guest nobody
	complained 'no guest "nobody" in the records'
	records=$dir/records
}

record
sums
renamed
formats
twice
exit $failed
