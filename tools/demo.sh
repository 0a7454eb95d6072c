#!/bin/bash
# SPDX-License-Identifier: MIT
# The main job on a machine without Xen: simulated guests do real work through xenmeterd,
# three on disks, two on a network, and the table says what each of them cost. Installs
# what it needs, builds, leaves nothing behind but the build folder.
set -u
me=demo
cd "$(dirname "$0")/.." || exit 1
. tools/setup.sh

build=build
seconds=${DEMO_SECONDS:-20}

stop_everything() {
	trap - EXIT INT TERM
	[ -z "${watch_pid:-}" ] || kill "$watch_pid" 2>/dev/null
	# shellcheck disable=SC2086
	[ -z "$bridges" ] || kill $bridges 2>/dev/null
	[ -z "${daemon_pid:-}" ] || kill "$daemon_pid" 2>/dev/null
	wait 2>/dev/null
	[ ! -d "${XENSIM_DIR:-}" ] || simxl down >/dev/null 2>&1
	for name in $namespaces; do ip netns del "$name"; done 2>/dev/null
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

# namespace NAME: a network of its own, so that nothing here meets the machine's
namespace() {
	ip netns add "$network-$1" ||
		give_up "cannot make a network namespace: is this root on an ordinary kernel?"
	namespaces="$namespaces $network-$1"
	ip netns exec "$network-$1" true ||
		give_up "cannot enter a network namespace: in a chroot, / must be a mount point \
(mount --bind ROOT ROOT before chroot)"
}

within() { # NAME COMMAND...: in that namespace
	local name=$network-$1
	shift
	ip netns exec "$name" "$@"
}

start_host() {
	simxl up || give_up "the simulated Xen does not start"
	namespace host
	within host ip link add br0 type bridge || give_up "cannot make a bridge"
	within host ip link set br0 up || give_up "cannot set the bridge up"
	ip netns exec "$network-host" simxl run 0 "$build/backend/control/xenmeterd" --table "$table" \
		2>"$dir/daemon.log" &
	daemon_pid=$!
	wait_until 10 grep -q serving "$dir/daemon.log" || give_up "xenmeterd does not start"
}

make_guest() { # NAME BYTES
	truncate -s "$2" "$dir/$1.disk" || give_up "cannot make $1's disk"
	simxl create "$1" >/dev/null || give_up "cannot make guest $1"
	simxl block-attach "$1" xvda "$dir/$1.disk" || give_up "cannot attach $1's disk"
}

# A guest with a network: its programs run in a namespace of its own, whose interface is
# bridged to the guest's vif by the frontend.
make_net_guest() { # NAME ADDRESS
	local domid
	domid=$(simxl create "$1") || give_up "cannot make guest $1"
	simxl vif-attach "$1" 0 || give_up "cannot attach $1's interface"
	wait_until 10 within host ip link set "vif$domid.0" master br0 up ||
		give_up "$1's interface does not appear"
	namespace "$1"
	ip netns exec "$network-$1" simxl run "$1" netload bridge --tap eth0 \
		>"$dir/$1.log" 2>&1 &
	bridges="$bridges $!"
	wait_until 10 within "$1" ip link set eth0 up || give_up "$1 has no interface"
	within "$1" ip addr add "$2/24" dev eth0
}

make_network() {
	local size
	make_net_guest web 10.0.0.1
	make_net_guest browser 10.0.0.2
	mkdir "$dir/www"
	for size in 1 10 30 50 70; do
		head -c "${size}k" /dev/urandom >"$dir/www/$size"
	done
	ip netns exec "$network-web" busybox httpd -f -p 80 -h "$dir/www" &
	bridges="$bridges $!"
	wait_until 10 within browser curl -sf -o /dev/null http://10.0.0.1/1 ||
		give_up "the web server does not answer"
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

# browser: fetches each of web's files, and looks at every byte.
browser() {
	local until=$((SECONDS + seconds)) size
	while [ "$SECONDS" -lt "$until" ]; do
		within browser curl -sSf --no-progress-meter -o "$dir/got.#1" \
			"http://10.0.0.1/{1,10,30,50,70}" || return
		for size in 1 10 30 50 70; do
			cmp "$dir/www/$size" "$dir/got.$size" || return
		done
	done
}

run_guests() {
	local failed=""
	copier >"$dir/copier.log" 2>&1 &
	local copier_pid=$!
	database >"$dir/database.log" 2>&1 &
	local database_pid=$!
	logger >"$dir/logger.log" 2>&1 &
	local logger_pid=$!
	browser >>"$dir/browser.log" 2>&1 &
	local browser_pid=$!
	xenmeter dump --table "$table" --all --watch "$watch_period" &
	watch_pid=$!
	wait $copier_pid || failed="copier"
	wait $database_pid || failed="$failed database"
	wait $logger_pid || failed="$failed logger"
	wait $browser_pid || failed="$failed browser"
	kill "$watch_pid" 2>/dev/null
	wait "$watch_pid" 2>/dev/null
	watch_pid=
	# shellcheck disable=SC2086
	kill $bridges
	# shellcheck disable=SC2086
	wait $bridges
	bridges=
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
	check=$(xenmeter check --stopped --table "$table") || {
		printf '%s\n' "$check"
		give_up "the books do not balance"
	}
	printf '%s\n' "$check" | tail -n 1
	requests=$(xenmeter dump --table "$table" --all --csv | awk -F, '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == "requests") at = i }
		NR > 1 { sum += $at }
		END { printf(sum < 1e6 ? "%.0f k" : "%.1f M", sum < 1e6 ? sum / 1e3 : sum / 1e6) }')
	unattributed=$(printf '%s\n' "$check" | sed -n '$s/.*, \([0-9.]* %\) unattributed.*/\1/p')
	printf 'demo: 5 guests, %s requests, data verified, books balanced (%s unattributed)\n' \
		"$requests" "$unattributed"
}

# shellcheck disable=SC2086
install_packages $build_packages $demo_packages
targets=demo step "build" build "$build" || exit 1

dir=$(mktemp -d "${TMPDIR:-/var/tmp}/xenmeter-demo.XXXXXX") || exit 1
export XENSIM_DIR
XENSIM_DIR=$(mktemp -d /dev/shm/xenmeter-demo.XXXXXX) || exit 1
table=$dir/table
network=xm$$
namespaces=
bridges=
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
make_network
say "five guests work for $seconds s"
run_guests
kill "$daemon_pid" && wait "$daemon_pid" || give_up "xenmeterd did not stop cleanly"
daemon_pid=
verify_data
xenmeter dump --table "$table" --all
simxl down || give_up "the daemon left something behind"
closing_line
