# SPDX-License-Identifier: MIT
# Sourced by run: the parts of the study. Each has a host of its own.

# ---- web ----

# web_point KB RATE: a line: KB rate | answered/s, CPU %, its part of the guest's and the
# driver domain's CPU together, us and charged us of a request, pages and frames of a
# request, us of a page, charged %, errors, pages/s
web_point() {
	local before requests us errors
	before=$(sample)
	read -r requests us errors < <(fetch "$1" "$2" "$seconds")
	[ "${requests:-0}" -gt 0 ] || give_up "no answers for files of $1 KB"
	difference "$before" "$(sample)" |
		awk -v kb="$1" -v rate="$2" -v n="$requests" -v us="$us" -v errors="$errors" '{
			print kb, rate, n * 1e6 / us, 100 * $1 / us, 100 * $1 / ($1 + $2), $1 / n,
				$3 / n, $4 / n, $5 / n, $1 / $4, 100 * $3 / $1, errors, $4 * 1e6 / us }'
}

# How well CPU follows the rate of page exchanges, over all points: the correlation, and
# what the method assumes, that each page costs the same.
follows() {
	awk '{ x = $13; y = $4; sx += x; sy += y; xx += x * x; xy += x * y; yy += y * y; n++
		cost = $10
		if (n == 1 || cost < low) low = cost
		if (n == 1 || cost > high) high = cost }
		END {
			r = (n * xy - sx * sy) / sqrt((n * xx - sx * sx) * (n * yy - sy * sy))
			slope = xy / xx
			printf("CPU and pages/s: correlation %.2f; at one price a page, %.2f us, CPU is wrong by %.0f %% (root mean square)\n",
				r, 1e4 * slope, 100 * sqrt((yy - slope * xy) / yy))
			printf("a page cost %.2f to %.2f us, %.1f to 1\n", low, high, high / low)
		}'
}

study_web() {
	local round kb rate
	start_host
	web_guest
	fetch 30 0 1 >/dev/null # warms up
	: >"$dir/web"
	for ((round = 0; round < rounds; round++)); do
		for kb in $sizes; do
			for rate in $rates; do web_point "$kb" "$rate" >>"$dir/web"; done
		done
	done
	medians 2 <"$dir/web" >"$out/web"
	printf 'web: a connection for each request, %s at once; %s x %s s; CPU of xenmeterd by the kernel'"'"'s clock\n' \
		"$connections" "$rounds" "$seconds"
	printf '%4s %6s %9s %6s %6s %11s %8s %6s %7s %8s %9s %7s\n' KB asked answered CPU% share% \
		us/request charged pages frames us/page charged% errors
	awk '{ printf("%4d %6s %9.0f %6.1f %6.1f %11.1f %8.1f %6.1f %7.1f %8.2f %9.1f %7d\n", $1,
		$2 ? $2 : "max", $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) }' "$out/web"
	follows <"$out/web"
	xenmeter dump --table "$table" --all --stage
	stop_host
	ip netns del web
	ip link del br0
}

# ---- disk ----

# disk_point DISK KIB GRANTS [OPTION...]: a line: disk KiB grants | reads/s, MiB/s, CPU %,
# us, charged us, ring requests and pages of a read, us of a page
disk_point() {
	local disk=$1 kb=$2 grants=$3 before reads
	shift 3
	before=$(sample)
	reads=$(simxl run "$disk" blkload --bs "${kb}k" --rw randread --depth 8 --time "$seconds" --json "$@" |
		jq .operations)
	[ "${reads:-0}" -gt 0 ] || give_up "no reads of $kb KiB"
	difference "$before" "$(sample)" |
		awk -v disk="$disk" -v kb="$kb" -v grants="$grants" -v n="$reads" -v s="$seconds" '{
			print disk, kb, grants, n / s, n * kb / 1024 / s, $1 / s / 1e4, $1 / n,
				$3 / n, $5 / n, $4 / n, $1 / $4 }'
}

study_disk() {
	local round disk kb
	start_host
	random_file file 256
	disk_guest null null:64G
	disk_guest file "$dir/file"
	: >"$dir/disk"
	for ((round = 0; round < rounds; round++)); do
		for disk in null file; do
			for kb in 4 16 64 256 1024; do
				disk_point $disk $kb persistent --indirect 256 >>"$dir/disk"
			done
		done
		disk_point null 64 copied --indirect 256 --no-persistent >>"$dir/disk"
		disk_point null 64 each --indirect 256 --grant-each >>"$dir/disk"
		disk_point null 64 direct >>"$dir/disk"
	done
	medians 3 <"$dir/disk" >"$out/disk"
	printf 'disk: random reads, 8 at once; %s x %s s; CPU of xenmeterd by the kernel'"'"'s clock\n' \
		"$rounds" "$seconds"
	printf '%-5s %5s %-11s %8s %7s %6s %8s %8s %9s %6s %8s\n' disk KiB grants reads/s MiB/s CPU% \
		us/read charged requests pages us/page
	awk '{ printf("%-5s %5d %-11s %8.0f %7.0f %6.1f %8.1f %8.1f %9.1f %6.0f %8.3f\n", $1, $2, $3,
		$4, $5, $6, $7, $8, $9, $10, $11) }' "$out/disk"
	stop_host
}

# ---- mixed ----

# Each guest works for $1 seconds.
mixed_guests() {
	simxl run logger blkload --rw write --bs 4k --depth 4 --flush-every 2 --time "$1" >"$dir/logger" &
	simxl run reader blkload --rw randread --bs 1m --indirect 256 --depth 4 --rate 200 --time "$1" >"$dir/reader" &
	timeout "$1" simxl run pest flood pester 100000000 >"$dir/pest" &
	fetch 10 300 "$1" >"$dir/fetched" &
	wait
}

study_mixed() {
	local load
	start_host
	random_file file 256
	random_file journal 64
	disk_guest logger "$dir/journal"
	disk_guest reader "$dir/file"
	disk_guest pest null:1G
	web_guest
	mixed_guests $((mixed_seconds + 2)) &
	load=$!
	sleep 1
	printf 'mixed: logger writes 4 KiB, every second operation a flush; reader 1 MiB; web 10 KB; pest sends events for nothing\n'
	xenmeter study --table "$table" --time "$mixed_seconds" --csv "$out/mixed.csv" \
		--html "$out/mixed.html" || give_up "xenmeter study fails"
	wait "$load"
	xenmeter dump --table "$table" --all
	stop_host
	ip netns del web
	ip link del br0
}
