#!/bin/sh
# SPDX-License-Identifier: MIT
# xenmeter export on tables with known numbers: as a file, over HTTP, and to a Prometheus
# that scrapes two of them; the rules and the dashboard name what there is.
#
#	test_export.sh XENMETER TABLE-MAKER RULES RULES-TEST DASHBOARD
set -u

xenmeter=$1
maker=$2
rules=$3
rules_test=$4
dashboard=$5
. "$(dirname "$0")/cli_lib.sh"
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
pids=
trap 'kill $pids 2>/dev/null; rm -rf "$dir"' EXIT

# port: one that nobody listens on
port() {
	number=$((20000 + $$ % 10000))
	while ss -Htln "sport = :$number" | grep -q .; do number=$((number + 1)); done
	echo $number
}

lint() {
	command -v promtool >/dev/null || return 0
	promtool check metrics <"$1" >"$dir/lint" 2>&1 || fail "promtool: $(cat "$dir/lint")"
}

file() {
	"$maker" "$table"
	run 0 "$xenmeter" export --textfile - --table "$table"
	said 'xenmeter_device_cpu_seconds_total{uuid="11111111-1111-1111-1111-111111111111",domid="3",device="xvda",kind="exact",stage="grant"} 0.060000000'
	said 'xenmeter_device_requests_total{uuid="",domid="7",device="xvda",op="read"} 8'
	said 'xenmeter_device_io_bytes_total{uuid="",domid="7",device="xvda",op="write"} 8388608'
	said 'xenmeter_guest_info{uuid="11111111-1111-1111-1111-111111111111",domid="3",name="web, the \"first\""} 1'
	said 'xenmeter_worker_seconds_total{worker="0",state="idle"} 1.000000000'
	said 'xenmeter_books_balanced 1'
	said 'xenmeter_daemon_running 0'
	said 'xenmeter_daemon_life 1'
	grep -q 'EOF' "$out" && fail "OpenMetrics where it was not asked for"
	lint "$out"
	grep -q '^xenmeter_domain_' "$out" && fail "a domain that nobody measured"
	"$maker" "$table" row:4:31=1000000 row:4:334=4000 row:4:322=40000 domain
	run 0 "$xenmeter" export --textfile - --table "$table"
	said 'xenmeter_domain_seconds_total{state="running"} 45.000000000'
	said 'xenmeter_domain_cpu_seconds_total{kind="process"} 20.000000000'
	said 'xenmeter_domain_cpus 2'
	said 'domid="7",device="xvda",kind="offload",stage="none"} 1.000000000'
	said 'domid="7",device="xvda",kind="kernel",stage="none"} 0.004000000'
	said 'domid="7",device="xvda",kind="exact",stage="spin"} 0.040000000'
	lint "$out"
	"$maker" "$table"
	run 0 "$xenmeter" export --textfile - --max-guests 1 --table "$table"
	[ "$(grep -c '^xenmeter_guest_info' "$out")" -eq 1 ] || fail "one guest"
	said 'xenmeter_unlisted_cpu_seconds_total{kind="exact"} 0.364500000'
	run 0 "$xenmeter" export --textfile "$dir/prom" --once --table "$table"
	[ "$(stat -c %a "$dir/prom")" = 644 ] || fail "the file's mode"
	lint "$dir/prom"
	# Without a table, the file says so, and nothing else.
	run 0 "$xenmeter" export --textfile "$dir/prom" --once --table "$dir/none"
	grep -q '^xenmeter_daemon_running 0$' "$dir/prom" || fail "no table"
	[ "$(ls "$dir"/prom*)" = "$dir/prom" ] || fail "something left beside the file"
	run 1 "$xenmeter" export --textfile "$dir/no/prom" --once --table "$table"
	complained "No such file"
	# As root it once made /dev/full an ordinary file.
	mkfifo "$dir/pipe"
	ln -s pipe "$dir/link"
	for path in "$dir/pipe" "$dir/link" "$dir"; do
		run 1 timeout 10 "$xenmeter" export --textfile "$path" --once --table "$table"
		complained "$path: no file, and is not replaced by one"
	done
	[ -p "$dir/pipe" ] && [ -L "$dir/link" ] || fail "the pipe was replaced"
	run 3 "$xenmeter" export --textfile - --table "$dir/none"
	run 2 "$xenmeter" export --max-guests 0
	complained "takes a number above 0" 3
	# These once served for ever.
	for more in "" "--tapdisk=$dir"; do
		run 2 timeout 10 "$xenmeter" export --once $more --table "$table"
		complained "--once is for --textfile" 3
	done
	run 2 timeout 10 "$xenmeter" export --interval 5 --table "$table"
	complained "--interval is for --textfile and --tapdisk" 3
	# It listened nowhere, and did not say so.
	for more in "--textfile=$dir/prom" "--tapdisk=$dir"; do
		run 2 timeout 10 "$xenmeter" export --listen 127.0.0.1:1 "$more" --table "$table"
		complained "--listen is not for --textfile and --tapdisk" 3
	done
	for more in --max-guests=3 --histograms; do
		run 2 timeout 10 "$xenmeter" export "--tapdisk=$dir" "$more" --table "$table"
		complained "--tapdisk writes no metrics" 3
	done
	"$maker" "$table" "name:4=$(printf 'a\\b\n\303\251')"
	run 0 "$xenmeter" export --textfile - --table "$table"
	said 'name="a\\b\n'
	lint "$out"
}

# start PORT: an exporter there
start() {
	"$xenmeter" export --listen "127.0.0.1:$1" --table "$table" 2>"$err" &
	pids="$pids $!"
	tries=0
	until curl -s "http://127.0.0.1:$1/" >"$out"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { fail "no answer"; return; }
		sleep 0.05
	done
}

# get PATH [OPTION...]: prints the status and the type
get() {
	url=http://127.0.0.1:$one$1
	shift
	curl -s -o "$out" -w '%{http_code} %{content_type}' "$@" "$url"
}

http() {
	"$maker" "$table" row:4:31=1000000
	one=$(port)
	start "$one"
	[ "$(get /metrics)" = "200 text/plain; version=0.0.4; charset=utf-8" ] || fail "the text"
	said 'kind="offload",stage="none"} 1.000000000'
	lint "$out"
	[ "$(get /metrics -H 'Accept: application/openmetrics-text')" = \
		"200 application/openmetrics-text; version=1.0.0; charset=utf-8" ] || fail "OpenMetrics"
	[ "$(tail -n 1 "$out")" = "# EOF" ] || fail "the end of OpenMetrics"
	grep -q '^# TYPE xenmeter_device_requests counter' "$out" || fail "OpenMetrics' families"
	[ "$(get /nothing)" = "404 text/plain; charset=utf-8" ] || fail "another path"
	[ "$(get /metrics -X POST -d x)" = "405 text/plain; charset=utf-8" ] || fail "POST"
	rm "$table"
	[ "$(get /metrics)" = "200 text/plain; version=0.0.4; charset=utf-8" ] || fail "no table"
	said 'xenmeter_daemon_running 0'
	run 1 timeout 10 "$xenmeter" export --listen "127.0.0.1:$one" --table "$table"
	complained "cannot listen"
	# Port 99999 once was 34463.
	for bad in nonsense 127.0.0.1:99999 127.0.0.1:0 127.0.0.1: 127.0.0.1:-1; do
		run 2 timeout 10 "$xenmeter" export --listen "$bad" --table "$table"
		complained "is no address"
	done
}

# Begun by who connects, on a socket of systemd's, instead of the address that it has itself.
passed_socket() {
	command -v systemd-socket-activate >/dev/null || {
		echo "skipped: a socket that is passed, for want of systemd-socket-activate"
		return
	}
	"$maker" "$table"
	one=$(port)
	systemd-socket-activate --listen "127.0.0.1:$one" "$xenmeter" export --table "$table" \
		2>"$err" >&2 &
	pids="$pids $!"
	tries=0
	until [ "$(get /metrics)" = "200 text/plain; version=0.0.4; charset=utf-8" ]; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { fail "no answer on the socket that is passed"; return; }
		sleep 0.05
	done
	said 'xenmeter_books_balanced 1'
}

# Each metric that rules and dashboard name is one that is given, or recorded.
names() {
	"$maker" "$table"
	"$xenmeter" export --textfile - --table "$table" >"$dir/metrics"
	grep -ohE 'xenmeter_[a-z0-9_]+' "$rules" "$dashboard" | sort -u | while read -r name; do
		[ "$name" = xenmeter_tenant_info ] || grep -q "^$name" "$dir/metrics" ||
			grep -q "^# TYPE $name " "$dir/metrics" || echo "$name"
	done >"$out"
	[ ! -s "$out" ] || fail "metrics that are not given"
	jq -e '.panels | length > 5' "$dashboard" >/dev/null || fail "the dashboard"
	command -v promtool >/dev/null || return 0
	run 0 promtool check rules "$rules"
	cp "$rules" "$rules_test" "$dir"
	run 0 promtool test rules "$dir/${rules_test##*/}"
}

# query TEXT: the value of its only series
query() {
	curl -s -G "http://127.0.0.1:$web/api/v1/query" --data-urlencode "query=$1" |
		jq -r '.data.result[0].value[1] // "none"'
}

fleet() {
	"$maker" "$table" row:4:31=1000000
	one=$(port)
	start "$one"
	two=$(port)
	start "$two"
	web=$(port)
	cat >"$dir/prometheus.yml" <<EOF
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ "$rules" ]
scrape_configs:
  - job_name: xenmeter
    static_configs: [ { targets: [ "127.0.0.1:$one", "127.0.0.1:$two" ] } ]
EOF
	prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" \
		--web.listen-address="127.0.0.1:$web" >"$dir/log" 2>&1 &
	pids="$pids $!"
	tries=0
	until [ "$(query 'count(xenmeter_books_balanced == 1)')" = 2 ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || { cp "$dir/log" "$out"; fail "two exporters"; return; }
		sleep 0.1
	done
	# What both hosts' guest 7 cost, from the table: 0.404 s and 1 s offloaded, twice.
	got=$(query 'sum(xenmeter_device_cpu_seconds_total{domid="7"})')
	[ "$(printf '%.6f' "$got")" = 2.808000 ] || fail "the sum over hosts is $got"
	# Without this Grafana draws no legend, and there is no Grafana here that would show it.
	jq -e '[.panels[] | select(.type == "timeseries").options | .legend.showLegend and .tooltip.sort] |
		length > 5 and all' "$dashboard" >/dev/null || fail "a legend of the dashboard"
	# Each query of the dashboard is one, with what Grafana puts into it.
	jq -r '.. | .expr? // empty' "$dashboard" | sed 's/\$__rate_interval/1m/g; s/\$job/.*/g; s/\$instance/.*/g' >"$dir/queries"
	[ "$(wc -l <"$dir/queries")" -gt 8 ] || fail "the dashboard's queries"
	while read -r text; do
		curl -s -G "http://127.0.0.1:$web/api/v1/query" --data-urlencode "query=$text" >"$out"
		[ "$(jq -r .status "$out")" = success ] || fail "the dashboard's query $text"
	done <"$dir/queries"
	got=$(query 'max(xenmeter_guest_info{name="mail"} * on (instance, domid, uuid) group_left () sum by (instance, domid, uuid) (xenmeter_device_requests_total))')
	[ "$got" = 40 ] || fail "requests by name are $got"
}

command -v curl >/dev/null && command -v jq >/dev/null || { echo "needs curl and jq"; exit 77; }
file
http
passed_socket
names
if command -v prometheus >/dev/null; then
	fleet
else
	echo "skipped: a Prometheus that scrapes, and promtool, for want of prometheus"
fi
exit $failed
