# SPDX-License-Identifier: MIT
# For scenarios of the study, in counted mode; sourced in dom0. Whole numbers in bash, since
# those of jq can be wrong here (XEN.md).
#
# A figure is the difference of a long and a short run of the same, so that what is done
# once, such as starting the load and telling of its end, is not in it.

declare -A RESULT=() # of a run, see measure; a load may add something of its own
studied=             # the guests to be looked at

# study_start [OPTION-OF-XENMETERD...]
study_start() {
	daemon_start "$@"
	KHZ=$(xenmeter dump --json | jq .table.clock_khz)
}

# disk_guest NAME TARGET: runs what `start` tells
disk_guest() {
	STARTED[$1]=0
	guest "$1" "$(disks "$(disk xvda "$2")")" <<<'device xvda
for run in $(seq 1000); do eval "$(receive "run-$run")"; tell "ran-$run" 1; done'
}
declare -A STARTED=()

# start GUEST COMMAND..., to end without a word; ended GUEST waits for it
start() {
	local name=$1
	shift
	STARTED[$name]=$((STARTED[$name] + 1))
	send "$name" "run-${STARTED[$name]}" "$*"
}

ended() { told "$1" "ran-${STARTED[$1]}" 60 >/dev/null; }

# sums CSV GUEST: of its rows: cycles charged, requests, pages, bytes, cycles of the kernel
sums() {
	local charged=0 requests=0 pages=0 bytes=0 kernel=0 names values i
	{
		IFS=, read -ra names
		while IFS=, read -ra values; do
			[ "${values[6]}" = "\"$2\"" ] || continue
			for i in "${!names[@]}"; do
				case ${names[i]} in
				exact_* | apportioned_* | offload_cycles) charged=$((charged + values[i])) ;;
				kernel_exact | kernel_apportioned) kernel=$((kernel + values[i])) ;;
				requests | pages | bytes) eval "${names[i]}=\$((${names[i]} + values[i]))" ;;
				esac
			done
		done
	} <"$1"
	echo "$charged $requests $pages $bytes $kernel"
}

# instructions CYCLES
instructions() { echo $(($1 * 1000000 / KHZ)); }

stolen() {
	local _ ticks
	read -r _ _ _ _ _ _ _ _ ticks _ </proc/stat
	echo $((ticks * 10000000))
}

# measure COMMAND...: runs it; sets RESULT to what it took: instructions of dom0 (dom0), of
# all domains (all) and of each guest (GUEST.cpu); what was charged to each, in instructions
# (GUEST.charged), its requests, pages and bytes, and of a domain that is measured what the
# kernel did for it (GUEST.kernel), also in instructions; and for how long dom0 was ready while
# another domain ran (stolen), as its kernel counts it, to 10 ms
measure() {
	local domids=() name i old new
	for name in $studied; do domids+=("$(domid "$name")"); done
	RESULT=()
	RESULT[stolen]=-$(stolen)
	xenmeter dump --csv --all >/tmp/before
	read -ra old <<<"$(cpu_time "${domids[@]}")"
	"$@"
	[ "${DOMAIN:-}" != --domain=on ] || sleep 2.5 # workers read it once a second
	read -ra new <<<"$(cpu_time "${domids[@]}")"
	xenmeter dump --csv --all >/tmp/after
	RESULT[stolen]=$((${RESULT[stolen]} + $(stolen)))
	RESULT[dom0]=$((new[0] - old[0]))
	RESULT[all]=$((new[1] - old[1]))
	i=2
	for name in $studied; do
		RESULT[$name.cpu]=$((new[i] - old[i]))
		measure_rows "$name"
		i=$((i + 1))
	done
}

measure_rows() { # GUEST
	local old new what i=0
	read -ra old <<<"$(sums /tmp/before "$1")"
	read -ra new <<<"$(sums /tmp/after "$1")"
	for what in charged requests pages bytes kernel; do
		RESULT[$1.$what]=$((new[i] - old[i]))
		i=$((i + 1))
	done
	RESULT[$1.charged]=$(instructions "${RESULT[$1.charged]}")
	RESULT[$1.kernel]=$(instructions "${RESULT[$1.kernel]}")
}

# beyond SHORT LONG COMMAND...: sets RESULT to what `COMMAND LONG` takes more than
# `COMMAND SHORT`
beyond() {
	local -A less
	local short=$1 long=$2 what
	shift 2
	measure "$@" "$short"
	for what in "${!RESULT[@]}"; do less[$what]=${RESULT[$what]}; done
	measure "$@" "$long"
	for what in "${!RESULT[@]}"; do RESULT[$what]=$((${RESULT[$what]} - less[$what])); done
}

# tenths VALUE DIVISOR: the quotient with one decimal
tenths() {
	local tenths=$(((20 * $1 / $2 + 1) / 2))
	echo "$((tenths / 10)).$((tenths % 10))"
}

# percent PART WHOLE
percent() { tenths $((100 * $1)) "$2"; }

# root NUMBER: its square root, rounded down
root() {
	local n=$1 x=$1 next=$((($1 + 1) / 2))
	while [ "$next" -lt "$x" ]; do
		x=$next
		next=$(((x + n / x) / 2))
	done
	echo "$x"
}

# ---- a web server; with net.sh ----

web_files='1 10 30 50 70' # KB

# web_guests: web, with nginx, and client, with wrk, on the bridge
web_guests() {
	RAMDISK=web net_guest web 2
	RAMDISK=web net_guest client 3
	up web
	up client
	on web "mkdir -p /tmp/web/www; for kb in $web_files; do
			dd if=/dev/urandom of=/tmp/web/www/\$kb bs=1024 count=\$kb 2>/dev/null
		done"
	on web 'nginx -p /tmp/web -c /web/nginx.conf -e stderr >/tmp/nginx.log 2>&1 &'
	web_answers
}

# The 30 KB arrive as they are.
web_answers() {
	on web 'md5sum </tmp/web/www/30 | cut -d " " -f 1'
	SUM=$ANSWER
	on client "{ printf 'GET /30 HTTP/1.0\r\n\r\n'; sleep 5; } | nc 10.0.0.2 80 | tail -c 30720 |
		md5sum | cut -d ' ' -f 1"
	[ "$ANSWER" = "$SUM" ] || fail "30 KB arrive changed: $ANSWER, not $SUM"
}

# fetch KB RATE SECONDS: adds to RESULT what was answered, and the microseconds it took
fetch() {
	local errors
	on client "RATE=$2 wrk -t 1 -c 16 -d $3 -s /web/pace.lua http://10.0.0.2:80/$1 |
		sed -n 's/^study //p'"
	read -r 'RESULT[answered]' 'RESULT[us]' errors <<<"$ANSWER"
	[ "$errors" = 0 ] || fail "$1 KB, $2 a second: $ANSWER"
}
