#!/bin/bash
# SPDX-License-Identifier: MIT
# The main job on a machine without Xen: three simulated guests do real disk work through
# xenmeterd, and the table says what each of them cost. Installs what it needs, builds,
# leaves nothing behind but the build folder.
set -u
me=demo
cd "$(dirname "$0")/.." || exit 1
. tools/setup.sh

build=build
seconds=${DEMO_SECONDS:-20}

stop_everything() {
	trap - EXIT INT TERM
	[ -z "${watch_pid:-}" ] || kill "$watch_pid" 2>/dev/null
	[ -z "${daemon_pid:-}" ] || kill "$daemon_pid" 2>/dev/null
	wait 2>/dev/null
	[ ! -d "${XENSIM_DIR:-}" ] || simxl down >/dev/null 2>&1
	rm -rf "${dir:-}" "${XENSIM_DIR:-}"
}

give_up() {
	[ ! -f "$dir/daemon.log" ] || tail -n 20 "$dir/daemon.log" >&2
	die "$@"
}

wait_until() { # SECONDS COMMAND...
	local deadline=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.1
	done
}

start_host() {
	simxl up || give_up "the simulated Xen does not start"
	simxl run 0 "$build/backend/xenmeterd" --table "$table" 2>"$dir/daemon.log" &
	daemon_pid=$!
	wait_until 10 grep -q serving "$dir/daemon.log" || give_up "xenmeterd does not start"
}

make_guest() { # NAME BYTES
	truncate -s "$2" "$dir/$1.disk"
	simxl create "$1" >/dev/null && simxl block-attach "$1" xvda "$dir/$1.disk" ||
		give_up "cannot make guest $1"
}

nbd() { # GUEST COMMAND: run COMMAND with $uri naming the guest's disk
	simxl run "$1" nbdkit -U - -t 32 "$build/tests/guests/nbdkit-xenblk-plugin.so" \
		devid=51712 --run "$2"
}

# copier: a real filesystem onto its disk, and back, until the time is over.
copier() {
	local until=$((SECONDS + seconds))
	while :; do
		nbd copier "nbdcopy '$dir/image' \"\$uri\" && nbdcopy \"\$uri\" '$dir/back'" ||
			return
		cmp "$dir/image" "$dir/back" || return
		[ "$SECONDS" -lt "$until" ] || return 0
		simxl wait-state copier xvda back 6 && reconnect copier || return
	done
}

reconnect() { simxl block-detach "$1" xvda && simxl block-attach "$1" xvda "$dir/$1.disk"; }

# database: random reads. logger: small writes, each made durable by a flush.
database() {
	nbd database "fio --name=database --ioengine=nbd --uri=\"\$uri\" --rw=randread --bs=8k \
		--iodepth=32 --size=64m --time_based --runtime=$seconds --group_reporting"
}

logger() {
	simxl run logger blkload --devid xvda --rw write --bs 4k --depth 4 --flush-every 4 \
		--time "$seconds" --verify
}

run_guests() {
	local failed=""
	copier >"$dir/copier.log" 2>&1 &
	local copier_pid=$!
	database >"$dir/database.log" 2>&1 &
	local database_pid=$!
	logger >"$dir/logger.log" 2>&1 &
	local logger_pid=$!
	xenmeter dump --table "$table" --all --watch "$watch_period" &
	watch_pid=$!
	wait $copier_pid || failed="copier"
	wait $database_pid || failed="$failed database"
	wait $logger_pid || failed="$failed logger"
	kill "$watch_pid" 2>/dev/null
	wait "$watch_pid" 2>/dev/null
	watch_pid=
	[ -z "$failed" ] && return
	for name in $failed; do
		tail -n 20 "$dir/$name.log" >&2
	done
	give_up "these guests failed: $failed"
}

verify_data() {
	e2fsck -f -n "$dir/copier.disk" >"$dir/e2fsck.log" 2>&1 || {
		cat "$dir/e2fsck.log" >&2
		give_up "the filesystem that arrived is damaged"
	}
	cmp -n "$(stat -c %s "$dir/image")" "$dir/image" "$dir/copier.disk" ||
		give_up "the image that arrived differs"
}

# The sums that the closing line states, from the table itself.
closing_line() {
	local check requests unattributed
	check=$(xenmeter check --table "$table") || {
		printf '%s\n' "$check"
		give_up "the books do not balance"
	}
	printf '%s\n' "$check" | tail -n 1
	requests=$(xenmeter dump --table "$table" --all --csv | awk -F, '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == "requests") at = i }
		NR > 1 { sum += $at }
		END { printf(sum < 1e6 ? "%.0f k" : "%.1f M", sum < 1e6 ? sum / 1e3 : sum / 1e6) }')
	unattributed=$(printf '%s\n' "$check" | sed -n '$s/.*, \([0-9.]* %\) unattributed.*/\1/p')
	printf 'demo: 3 guests, %s requests, data verified, books balanced (%s unattributed)\n' \
		"$requests" "$unattributed"
}

# shellcheck disable=SC2086
install_packages $build_packages $demo_packages
step "build" build "$build" || exit 1

dir=$(mktemp -d "${TMPDIR:-/var/tmp}/xenmeter-demo.XXXXXX") || exit 1
export XENSIM_DIR
XENSIM_DIR=$(mktemp -d /dev/shm/xenmeter-demo.XXXXXX) || exit 1
table=$dir/table
build=$PWD/$build
export PATH=$build/tests/sim:$build/tests/guests:$build/tools:$PATH
trap stop_everything EXIT
trap 'exit 130' INT TERM
[ -t 1 ] && watch_period=1 || watch_period=5

step "an ext4 image of /usr/share/doc" mke2fs -q -F -t ext4 -d /usr/share/doc "$dir/image" 256M ||
	exit 1
start_host
make_guest copier 256M
make_guest database 64M
make_guest logger 64M
say "three guests work for $seconds s"
run_guests
kill "$daemon_pid" && wait "$daemon_pid" || give_up "xenmeterd did not stop cleanly"
daemon_pid=
verify_data
xenmeter dump --table "$table" --all
simxl down || give_up "the daemon left something behind"
closing_line
