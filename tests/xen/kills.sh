# SPDX-License-Identifier: MIT
# For scenarios in which the daemon ends under load and another goes on; sourced in dom0.
#
# The guest `one` copies files on ext4 and compares their checksums, takes the time of each
# read of a second disk, keeps three TCP connections over all lives, one of them iperf3's, and
# downloads a file by HTTP again and again. Where they are many lives, the guest `two` runs
# fio with verification on ext4.
. /xm/net.sh
KILLS=$(cat /xm/kills)
DEVICES=3 # that go on
PAUSES=() # for each life: ms that the guest waited; that the daemon was old when it
          # served; ms of these since main(); ms that it had run

# The guest's part, before it does what it is asked.
JOB=$(
	cat /xm/numbers.sh - <<'GUEST'
copies() {
	turn=0
	until [ -e /tmp/stop ]; do
		rm -rf /mnt/tree
		cp -r /modules /mnt/tree && sync || break
		echo 3 >/proc/sys/vm/drop_caches
		(cd /mnt/tree && md5sum -c /tmp/sums >/dev/null) || break
		turn=$((turn + 1))
		echo $turn >/tmp/turns.new
		mv /tmp/turns.new /tmp/turns
		sleep 2 # while nothing runs, counted time costs none
	done
	[ -e /tmp/stop ] || : >/tmp/failed
}
downloads() {
	n=0
	until [ -e /tmp/stop ]; do
		LD_LIBRARY_PATH=/curl /curl/curl -sS --limit-rate 300k -o /tmp/file http://10.0.0.1:80/file &&
			[ "$(md5sum </tmp/file)" = "$1" ] || break
		n=$((n + 1))
	done
	[ -e /tmp/stop ] || : >/tmp/failed
	echo $n >/tmp/downloaded
}
loads() {
	grep -v pktgen /modules/more | while read -r m; do insmod "/modules/$m"; done
	device xvda; device xvdb
	mount -t ext4 /dev/xvda /mnt || return
	(cd /modules && md5sum *) >/tmp/sums
	echo 0 >/tmp/turns
	# In parentheses, since a function's process keeps its former output open.
	(copies) >/tmp/copies 2>&1 &
	/gaps /dev/xvdb >/tmp/gaps 2>&1 &
	echo $! >/tmp/gaps.pid
	(feed) 2>/dev/null | nc 10.0.0.1 7000 >/dev/null 2>&1 &
	(numbers 7001) >/dev/null 2>&1 &
	until listens 1B59; do sleep 0.1; done
	(downloads "$1") >/tmp/downloads 2>&1 &
	iperf3 -c 10.0.0.1 -t 36000 -i 0 -f k -b 2M >/tmp/iperf 2>&1 &
	echo $! >/tmp/iperf.pid
	dmesg >/tmp/dmesg
}
# pause: how long its longest read was since the last time, in ms; and how many there were
pause() {
	: >/tmp/gaps
	kill -USR1 "$(cat /tmp/gaps.pid)" || return
	until [ -s /tmp/gaps ]; do sleep 0.1; done
	cat /tmp/gaps
}
# turn: the copy under way ends
turn() {
	n=$(cat /tmp/turns)
	until [ "$(cat /tmp/turns)" -gt "$n" ]; do
		[ ! -e /tmp/failed ] || { cat /tmp/copies /tmp/downloads; return 1; }
		sleep 0.2
	done
}
# loads_end: the last number sent, and taken; how often files were copied, and downloaded;
# what iperf3 sent
loads_end() {
	: >/tmp/stop
	kill -INT "$(cat /tmp/iperf.pid)" || { cat /tmp/iperf; return 1; }
	while [ -e "/proc/$(cat /tmp/iperf.pid)" ]; do sleep 0.1; done
	until [ -s /tmp/fed ] && [ -s /tmp/took ] && [ -s /tmp/downloaded ]; do sleep 0.2; done
	kill "$(cat /tmp/gaps.pid)"
	until umount /mnt; do sleep 0.2; done
	cat /tmp/fed /tmp/took /tmp/turns /tmp/downloaded
	sed -n 's/^.* sec *\([0-9.]* [KMG]*Bytes\).*sender/\1/p' /tmp/iperf
}
# complaints: what its kernel has said of its devices since
complaints() {
	dmesg | grep -vxFf /tmp/dmesg | grep -v 'unmounting filesystem' |
		grep -iE 'xvd|blk|I/O|ext4|jbd|eth0|xen|vif|error|fail|bug|warn|hung|blocked'
	:
}
GUEST
)

# The guest `two`: files on ext4 are written and verified, again and again.
FIO_JOB=$(
	cat <<'GUEST'
device xvda
mkfs.ext4 -q /dev/xvda
mount -t ext4 /dev/xvda /mnt
dmesg >/tmp/dmesg
tell up 1
turns=0
until xenstore-read control/xm-stop >/dev/null 2>&1; do
	fio --name=verify --directory=/mnt --size=4m --rw=randwrite --bsrange=4k-64k --fsync=32 \
		--ioengine=libaio --iodepth=16 --direct=1 --verify=crc32c --verify_fatal=1 \
		--loops=5 --rate_iops=50 --output=/tmp/fio || {
		tell turns "fio: $(tail -c 500 /tmp/fio)"
		exit 1
	}
	turns=$((turns + 1))
	tell turns $turns
done
umount /mnt
tell complaints "$(dmesg | grep -vxFf /tmp/dmesg | grep -v 'unmounting filesystem')"
GUEST
)

# there COMMAND: run where the backends are; sets ANSWER
there() { ANSWER=$(. /xm/numbers.sh && eval "$1"); }

# at_work FILE-FOR-EXT4 FILE [OPTION-OF-DISKS-AND-VIF...]: the guest is made, and its loads begin
at_work() {
	local fs=$1 raw=$2
	shift 2
	there "mkfs.ext4 -q $fs"
	DISKS=$(disks "$(disk xvda "$fs" access=rw "$@")" "$(disk xvdb "$raw" access=rw "$@")") \
		net_guest one 2 "$@"
	up one
	there '(numbers 7000) >/dev/null 2>&1 &
		until listens 1B58; do sleep 0.1; done
		mkdir -p /tmp/www
		dd if=/dev/urandom of=/tmp/www/file bs=64k count=24 2>/dev/null
		httpd -p 80 -h /tmp/www >/dev/null 2>&1
		md5sum </tmp/www/file'
	on one "loads '$ANSWER'"
	there '(feed) 2>/dev/null | nc 10.0.0.2 7001 >/dev/null 2>&1 &'
	on one turn
}

# verifying FILE-FOR-EXT4 [OPTION-OF-DISK...]: the guest `two` is made
verifying() {
	local fs=$1
	shift
	DEVICES=$((DEVICES + 1))
	RAMDISK=fio guest two "$(disks "$(disk xvda "$fs" access=rw "$@")")" <<<"$FIO_JOB"
	told two up >/dev/null
}

# went_on: how old the process was when all devices went on, how much of it since main(), and
# how long it had run. (What is asked of a driver domain may have no backslash.)
went_on() {
	there "awk '/ devices go on / { print \$14, \$6, \$23 }' \$LOG | tail -n 1"
}

# next_life COMMAND...: that ends the daemon and starts another, at a random moment
next_life() {
	local pause
	sleep "0.$((RANDOM % 900 + 100))"
	"$@"
	on one pause
	pause=${ANSWER% *}
	went_on
	[ -n "$ANSWER" ] || fail "not all $DEVICES devices go on"
	PAUSES+=("$pause $ANSWER")
	say "$SECONDS s: $*: a pause of $pause ms; served at the age, since main() and with CPU of $ANSWER ms"
}

# percentiles COLUMN
percentiles() {
	printf '%s\n' "${PAUSES[@]}" | cut -d ' ' -f "$1" | sort -n |
		awk '{ v[NR] = $1 } END { print "p50", v[int((NR + 1) / 2)] ", p99", v[int(0.99 * NR + 0.99)], "ms" }'
}

# lives HOW-OFTEN COMMAND...: so many of them; their pauses
lives() {
	local n
	on one pause
	PAUSES=()
	for n in $(seq "$1"); do next_life "${@:2}"; done
	on one turn
	echo "@@ under emulation, $1 times ${*:2}: pauses of the disk $(percentiles 1); until served, from the making of the process: $(percentiles 2); from main(): $(percentiles 3); CPU of it: $(percentiles 4)"
}

# intact: the guests end their loads; nothing was lost, and their kernels have no complaint
intact() {
	local fed took rest
	there ': >/tmp/stop'
	on one loads_end
	# shellcheck disable=SC2086
	read -r fed took rest <<<"$(echo $ANSWER)"
	there 'for _ in $(seq 300); do [ ! -s /tmp/took ] || break; sleep 0.2; done
		echo $(cat /tmp/took /tmp/fed)'
	[ "$ANSWER" = "$fed $took" ] || fail "it sent up to $fed and took up to $took; there: $ANSWER"
	there 'killall httpd'
	on one complaints
	[ -z "$ANSWER" ] || fail "its kernel says: $ANSWER"
	say "numbers to $fed and to $took; copies, downloads, by iperf3: $rest"
	# shellcheck disable=SC2086
	set -- $rest
	[ $# = 4 ] && [ "$2" -gt 0 ] || fail 'no download, or no end of iperf3'
	[ "$DEVICES" = 3 ] || verified
}

# verified: the same of `two`
verified() {
	send two stop 1
	worked two 300
	[ -z "$(told two complaints)" ] || fail "the kernel of two says: $(told two complaints)"
	say "$(told two turns) runs of fio verified what they wrote"
	destroy two
}
