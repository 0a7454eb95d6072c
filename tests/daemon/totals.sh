#!/bin/sh
# SPDX-License-Identifier: MIT
# Totals in the store: dom0 reads what a driver domain's guests cost it; they agree with its
# table, are few, are written only when they change, and go with the daemon.
. "$(dirname "$0")/lib.sh"

drivers() { "$SIMXL" run 0 "$XENMETER" drivers "$@"; }
guests_told() { drivers --json | jq ".[] | select(.name == \"$1\") | .guests | length" | grep -qx "$2"; }
# told FILTER VALUE: of the driver domain's guest `far`
told() { drivers --json | jq -r ".[0].guests[] | select(.name == \"far\") | $1" | grep -qx "$2"; }
expect_told() { within 15 told "$1" "$2" || { drivers --json; fail "$1 is not $2"; }; }

"$SIMXL" up
say 'nobody serves'
code=0; drivers >"$W/none" 2>&1 || code=$?
[ $code = 3 ] || fail "exit code $code, not 3"
grep -q 'no driver domain publishes' "$W/none"

record() { "$SIMXL" run 0 "$XENMETER" record --drivers --once --directory "$W/records" || fail 'record'; }
record # domains that come later are recorded from their beginning

say 'a driver domain'
dd=$("$SIMXL" create dd --driver-domain)
home=/local/domain/$dd/data/xenmeter
"$SIMXL" run "$dd" xenstore-write data/xenmeter/guests/99 'requests=1'
SERVED=0
"$SIMXL" run "$dd" "$XENMETERD" --table "$TABLE" --domain=off 2>>"$LOG" >&2 &
DAEMON=$!
within 20 serving || fail 'the daemon does not start'
d=$(guest far)
near=$(guest near)
attach "$d" xvda null:16M --backend "$dd" --set domain=far
attach "$d" xvdb "$(disk flushed 16M)" --backend "$dd" --set domain=far
attach "$near" xvda null:16M --backend "$dd"
load "$d" --rw read --number 777 --bs 4k >/dev/null
load "$d" --devid 51728 --rw randwrite --number 100 --bs 4k --flush-every 2 >/dev/null
load_bg "$W/hold.out" "$d" --hold 300; held=$BG
load_bg "$W/near.out" "$near" --hold 300; held_near=$BG
expect_told .requests 877
expect_told .bytes $((827 * 4096))
expect_told .domid "$d"
expect_told .errors 0
guests_told dd 3 || fail 'not both guests and the others'
expect_no_key "$home/guests/99"
cycles=$(dump | jq "[.rows[] | select(.domid == $d) | .counters | with_entries(select(.key | test(\"^(exact|apportioned)_\"))) | add] | add")
# Looking after an idle device goes on costing a little, which is not written.
expect_told ".exact + .apportioned | . > 0 and . <= $cycles" true
# Flushes run in other threads: 2.6 s were told of a guest that had cost 6.4 s.
offloaded() { dump | jq "[.rows[] | select(.domid == $d$1) | .counters.$2] | add"; }
flushed=$(offloaded ' and .queue != null' offload_cycles)
[ "$flushed" -gt 0 ] || fail 'no flush was offloaded'
expect_told ".offload >= $flushed" true
# With what kind of I/O? Half of the writes were followed by a flush.
expect_told '[.read, .write, .flush, .discard, .tx] | tostring' '\[777,50,50,0,0]'
expect_told '.offload_flush > 0 and .read_cycles > 0 and .flush_cycles > 0' true
expect_told '.read_cycles + .write_cycles + .flush_cycles <= .exact + .apportioned' true
expect_told ".offload <= $(offloaded '' offload_cycles)" true
expect_told ".offload_exact >= $(offloaded ' and .queue != null' offload_exact)" true
expect_told "(.exact + .apportioned + .offload) / .seconds | round" \
	"$(dump | jq '.table.clock_khz * 1000')"
dump >"$W/dump"
expect_json "$W/dump" "[.rows[] | select(.domid == $d) | .name] | unique == [\"far\"]"
drivers >"$W/drivers"
cat "$W/drivers"
grep -Eq '^dd .* far .* (read|write|flush) [0-9]+%' "$W/drivers" || fail 'the dearest kind'
grep -Eq '^dd +[0-9]+ far +877 ' "$W/drivers"
drivers --domain nobody >"$W/none" 2>&1 && fail 'there is no such domain'

far_uuid=$(key "/local/domain/$d/vm" | cut -d/ -f3)
record

say 'who costs most now'
load_bg "$W/busy.out" "$d" --devid 51728 --rw write --rate 400 --flush-every 2 --time 300; busy=$BG
dearest() { "$SIMXL" run 0 "$XENMETER" top --drivers --json --iterations 1 >"$W/top"; json "$W/top" "$1"; }
within 40 dearest '.drivers == 1 and (.guests | length) == 2
	and (.guests[0] | .name == "far" and .driver == "dd" and .requests_per_second > 0
		and .kind == "flush" and .cpu_percent > 0 and .exact_percent <= .cpu_percent)
	and .guests[1].requests_per_second == 0' || { cat "$W/top"; fail 'not told so'; }
"$SIMXL" run 0 "$XENMETER" top --drivers --batch -n 1 --filter far >"$W/page"
cat "$W/page"
grep -Eq '^dd \([0-9]+\): [0-9]+ threads, busy [0-9.]+ %, published [0-9]+ s ago$' "$W/page"
grep -Eq '^dd +[0-9]+ far +[0-9]' "$W/page"
end "$busy"

say 'what is in a name is no number'
"$SIMXL" run "$dd" xenstore-write data/xenmeter/guests/98 'requests=1 name=x bytes=7 exact=8'
drivers --json >"$W/json"
"$SIMXL" run "$dd" xenstore-rm data/xenmeter/guests/98
expect_json "$W/json" '.[0].guests[] | select(.domid == 98) | .requests == 1 and .bytes == 0 and .exact == 0'

say 'what does not change is not written'
"$SIMXL" run 0 timeout 8 xenstore-watch "$home/guests" >"$W/watched" || :
[ "$(wc -l <"$W/watched")" -le 2 ] || { cat "$W/watched"; fail 'written without need'; }

say 'a guest that goes is one of the others'
"$SIMXL" block-detach "$d" xvda
"$SIMXL" destroy "$d"
within 15 guests_told dd 2 || fail 'it is still there'
told_others() { drivers --json >"$W/json"; json "$W/json" "$1"; }
within 15 told_others '.[0].guests[] | select(.domid == null) | .requests > 877 and .offload > 0' ||
	{ cat "$W/json"; fail 'it is not'; } # its key goes a moment before
say 'its bills are made in dom0, by uuids that it may not read'
billed() { "$XENMETER" bill --directory "$W/records" --format jsonl "$@"; }
# What was published and what was billed, in cycles, when nothing is published meanwhile.
all_billed() {
	drivers --json >"$W/before"
	record
	drivers --json >"$W/after"
	cmp -s "$W/before" "$W/after" || return 1
	khz=$(jq '.[0].books.khz' "$W/after")
	billed | jq -s "[.[] | select(.key != \"(overhead)\").cpu_seconds] | add * $khz * 1000 | round" >"$W/billed"
	jq "[.[0].guests[] | .exact + .apportioned + .offload + .kernel] | add" "$W/after" >"$W/told"
	cmp -s "$W/billed" "$W/told"
}
within 30 all_billed || { cat "$W/billed" "$W/told"; fail 'not all is billed'; }
billed --guest "$far_uuid" | jq -s . >"$W/far"
expect_json "$W/far" 'length == 1 and .[0].name == "far" and .[0].requests >= 877 and .[0].cpu_seconds > 0'
[ "$(stat -c %a "$W/records/driver-dd"/usage-*.jsonl)" = 640 ] || fail 'the mode of records'

expect_json "$W/json" '.[0].books | .khz > 0 and .charged > 0 and .time > 0'
end "$held_near"

say 'the daemon takes them along'
daemon_stop
expect_no_key "$home/books"
"$SIMXL" down >"$W/leaks" || { cat "$W/leaks"; fail 'leaks'; }
