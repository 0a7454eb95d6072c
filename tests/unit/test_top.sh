#!/bin/sh
# SPDX-License-Identifier: MIT
# xenmeter top on terminals of three sizes with 1, 51 and 400 guests, its keys, and what it
# prints without a terminal.
#
#	test_top.sh XENMETER TABLE-MAKER JSON-VALUE TRACE-MAKER
set -u

xenmeter=$1
maker=$2
json_value=$3
trace_maker=$4
. "$(dirname "$0")/cli_lib.sh"
export LC_ALL=C.UTF-8 TMUX_TMPDIR="$dir"
unset TMUX NO_COLOR

# hold CHANGE...: a table whose daemon runs until release
hold() {
	mkfifo "$dir/hold" "$dir/ready"
	"$maker" "$table" "$@" <"$dir/hold" >"$dir/ready" &
	held=$!
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
}
release() {
	exec 3>&-
	wait "$held"
	rm -f "$dir/hold" "$dir/ready"
}

batch() {
	# A second each of softirqs and of ends of block I/O were charged, of no line.
	hold guests=51 running row:1:338=1000000 row:1:339=1000000 domain
	run 0 "$xenmeter" top --batch -n 1 --accumulate --table "$table"
	said "domain%: guests 6.0 daemon 1.0 storage 2.0 kernel 3.0 others 10.0 unnamed 0.5"
	run 0 "$xenmeter" top --batch --iterations 2 --delay 0.1 --accumulate --table "$table"
	[ "$(grep -c 'guest-' "$out")" -eq 102 ] || fail "51 guests, twice"
	[ "$(grep 'guest-' "$out" | awk 'NR == 1 { print $2 }')" = guest-51 ] || fail "the dearest first"
	run 0 "$xenmeter" top --json -n 1 -a --table "$table"
	value guests 51
	value guests.0.name guest-51
	value guests.0.devices 1
	value workers.0.kind worker
	value state running
	run 0 "$xenmeter" top -b -n 1 -d 0.1 -f guest-5 -s name --table "$table"
	[ "$(grep -c 'guest-5' "$out")" -eq 3 ] || fail "5, 50 and 51"
	# Nothing happened between two readings.
	run 0 "$xenmeter" top -b -n 1 -d 0.1 -o --table "$table"
	said "No guest matches."
	said "domain%: the daemon counts it once a second"
	run 0 "$xenmeter" top --json -n 1 -d 0.1 --table "$table"
	value guests.0.cpu_percent 0.0
	release
	hold header:148=3 running
	run 0 "$xenmeter" top -b -n 1 -a --table "$table"
	said "xenmeterd running 0:00 h (life 3; accounts 0:01 h)  averages of the accounts"
	release
	run 3 "$xenmeter" top -b --table "$dir/none"
	complained "no table at"
	run 2 "$xenmeter" top --delay 0
	complained "--delay takes seconds" 2
	run 2 "$xenmeter" top --sort colour
	complained "--sort takes cpu, requests," 3
}

# traced: a daemon that answers 20 requests once somebody traces them, into a ring of 16
traced() {
	mkfifo "$dir/hold" "$dir/ready"
	"$trace_maker" live "$table" <"$dir/hold" >"$dir/ready" &
	held=$!
	exec 3>"$dir/hold"
	read -r _ <"$dir/ready"
}

# What a guest's kinds of request cost it by stage, from the trace: it has 16 of the 20
# requests, of which one was disturbed.
by_kind() {
	traced
	run 0 "$xenmeter" top --json -n 1 -d 1 --guest web --table "$table"
	value guests 1
	value kinds.0.kind read
	value kinds.0.requests 5
	value kinds.0.seen 4
	value kinds.0.us_per_request 15.0
	value kinds.0.us_by_stage.parse 1.0
	value kinds.0.us_by_stage.respond 5.0
	value kinds.0.us_by_stage.spin 0.0
	value kinds.2.kind flush
	value kinds.2.seen 3
	value kinds.2.disturbed 1
	value kinds.2.us_by_stage.grant 2.0
	value kinds.4.kind queues
	value kinds.4.us_by_stage null
	release
	traced
	run 0 "$xenmeter" top --batch -n 1 -d 1 --guest 3 --table "$table"
	grep -q '^flush  *[0-9.]*  *[0-9.]*  *0.0  *25.0  *15  *15  *1  *2  *3  *4  *5  *0  *0$' "$out" ||
		fail "a flush by stage"
	said "PARSE to SPIN are us/R, of 15 of 20 requests; 1 disturbed left out"
	run 1 "$xenmeter" top --batch -n 1 --guest nobody --table "$table"
	complained "no guest \"nobody\" in $table now"
	release
	# Of frames the table has the stages; it has no trace.
	rm -f "$table.trace"
	hold row:4:45=10 row:4:47=4000 row:4:11=1000 row:4:12=3000 running
	run 0 "$xenmeter" top --batch -n 1 -a --guest mail --table "$table"
	grep -q '^tx  .* 400  *400  *100  *300  *0  *0  *0  *0  *0$' "$out" || fail "frames by stage"
	said "PARSE to SPIN: $table.trace: No such file or directory"
	release
	for option in --sort=name --accumulate --guest=x "--table=$table"; do
		run 2 "$xenmeter" top --drivers "$option"
		complained "--drivers takes none of --table, --sort, --accumulate and --guest" 3
	done
}

mux() { tmux -f /dev/null -L top "$@" 3>&-; }
# Another session keeps tmux's server until the end.
start_terminals() {
	mux new-session -d -s keep 'exec sleep 1000'
	trap 'mux kill-server; rm -rf "$dir"' EXIT
}
# shows TEXT: within some seconds
shows() {
	tries=0
	until mux capture-pane -p -t =shown: >"$out" 2>"$err" && grep -qF -e "$1" "$out"; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { fail "not shown: $1"; return; }
		sleep 0.05
	done
}
keys() { mux send-keys -t =shown: "$@"; }

# begin WIDTH HEIGHT: top, on a terminal of that size
begin() {
	mux new-session -d -s shown -x "$1" -y "$2" "exec '$xenmeter' top -a -d 0.5 -t '$table'"
	shows "? keys"
}
# q ends it, and with it the session.
ends() {
	keys q
	tries=0
	while mux has-session -t =shown 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { fail "q does not end it"; mux kill-session -t =shown; return; }
		sleep 0.05
	done
}

# redrawn LINES: within some seconds, the last of so many lines is that of the keys
redrawn() {
	tries=0
	until mux capture-pane -p -t =shown: >"$out" && [ "$(wc -l <"$out")" -eq "$1" ] &&
		tail -n 1 "$out" | grep -q '^? keys'; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || return 1
		sleep 0.05
	done
}

# The dearest first, the whole screen used, the rest summed up, and no line that wraps:
# such a line would push the last one out.
sizes() {
	for guests in 1 51 400; do
		hold guests=$guests running
		begin 80 24
		for size in "80 24" "132 50" "50 12"; do
			mux resize-window -t =shown: -x ${size% *} -y ${size#* }
			shows "guest-$guests "
			redrawn ${size#* } || fail "$guests guests at $size: its lines"
			grep 'guest-' "$out" | head -n 1 | grep -q "guest-$guests " ||
				fail "$guests guests at $size: the dearest first"
			[ "$(wc -L <"$out")" -le ${size% *} ] || fail "$guests guests at $size: too wide"
			shown=$(grep -c 'guest-' "$out")
			more=$(sed -n 's/.*+\([0-9]*\) more.*/\1/p' "$out")
			[ $((shown + ${more:-0})) -eq $guests ] || fail "$guests guests at $size: $shown + $more"
		done
		ends
		release
	done
}

# Colours, unless NO_COLOR is set.
coloured() {
	begin 80 24
	mux capture-pane -e -p -t =shown: | grep -q "$(printf '\033')\[[0-9;]*36m" || fail "the titles' colour"
	ends
	mux set-environment -g NO_COLOR 1
	begin 80 24
	mux capture-pane -e -p -t =shown: | grep -qE "$(printf '\033')\[[0-9;]*3[0-7]m" && fail "a colour with NO_COLOR"
	ends
	mux set-environment -gu NO_COLOR
}

pages() {
	hold guests=51 running
	begin 80 24
	keys Down Down Enter
	shows "guest-49  domid 49"
	said "1 device  CPU% "
	grep -q "SHARE [0-9.]*$" "$out" || fail "the share, at 80 columns"
	said "CPU% BY STAGE"
	said "PARSE GRANT SUBM COMPL RESP OFFLD"
	shows "PARSE to SPIN: $table.trace: No such file or directory"
	said "latency us: p50"
	# Nobody writes a trace here, which is to be read before the page comes back.
	keys t
	shows "Press a key."
	keys x
	shows "guest-49  domid 49"
	keys Q
	shows "guest-51"
	keys w
	shows "1 worker, cpu clock agreement"
	keys B
	shows "xvda"
	keys e g
	shows "APPOR%"
	keys e
	keys '?'
	shows "next order (also left, right), reversed"
	keys Escape
	shows "+33 more"
	keys r
	shows "guest-1 "
	# As in iotop and xentop.
	keys r Left
	shows "s by name"
	keys Right S
	shows "s by requests"
	keys / guest-7 Enter
	shows "/ filter guest-7"
	[ "$(grep -c 'guest-7 ' "$out")" -ge 1 ] || fail "the one that matches"
	grep -q 'guest-51 ' "$out" && fail "one that does not match"
	keys Escape
	shows "guest-51"
	keys D 2 Enter
	shows "every 2 s"
	keys D 0 . 2 Enter
	shows "every 0.2 s"
	# Nothing happens here: since the last reading nobody did anything.
	keys a o
	shows "No guest matches."
	keys o
	shows "guest-1 "
	keys a NPage NPage
	shows "guest-27 "
	keys PPage PPage j k Space
	shows "guest-51 "
	keys End
	shows "guest-1 "
	keys Home
	shows "guest-51 "
	# The terminal becomes smaller under it.
	mux resize-window -t =shown: -x 60 -y 15
	shows "+42 more"
	[ "$(wc -L <"$out")" -le 60 ] || fail "too wide after the resize"
	ends
	coloured
	# A daemon that dies does not end it.
	begin 80 24
	rm "$table"
	shows "No such file"
	ends
	release
}

batch
by_kind
if command -v tmux >/dev/null; then
	start_terminals
	sizes
	pages
else
	echo "skipped: screens, for want of tmux"
fi
exit $failed
