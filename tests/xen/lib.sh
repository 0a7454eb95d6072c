# SPDX-License-Identifier: MIT
# What scenarios are given; sourced in dom0.
#
# A scenario is a bash script that runs with `set -eu` in its own process. It starts
# xenmeterd, creates guests that each run a script of their own, waits for what they tell,
# and compares it with the table. When it ends, all guests are destroyed and the daemon is
# stopped; after a failure their logs are printed.

GUESTS=/disk
D=/disk/work # the guests' disks
LOGS=/var/log/xen
LOG=$LOGS/xenmeterd.log
BACKEND=/local/domain/0/backend/vbd
# A boot without the self-tests of its ciphers takes two seconds less, and without making
# the kernel's pages read-only half a second.
KERNEL_LINE="console=hvc0 quiet panic=1 cryptomgr.notests mitigations=off rodata=off"
VIFS=/local/domain/0/backend/vif
PATIENCE=$(cat /xm/patience) # limits of time are so many times as long
declare -A DOMIDS=() # what `guest` has made, see `domid`

say() { echo "-- $*"; }
fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# within SECONDS COMMAND...: until it succeeds
within() {
	local end=$((SECONDS + $1 * PATIENCE))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.5
	done
}

# ---- xenmeterd ----

serving() { grep -q 'serving with' "$LOG"; }
# Guests are served before it is known whether the domain is measured.
domain_said() { grep -q "the domain's CPU is" "$LOG"; }

# In its sandbox, and before ordinary programs, as the unit has it.
daemon_start() {
	: >"$LOG"
	(renice -n -10 -p $BASHPID && exec xenmeterd --user xenmeter "${DOMAIN:---domain=off}" "$@") >>"$LOG" 2>&1 &
	DAEMON=$!
	within 120 serving || fail 'xenmeterd does not start'
	[ "${DOMAIN:---domain=off}" = --domain=off ] || within 120 domain_said || :
}

# daemon_stop [CODE]: SIGTERM; it has to end with this code
daemon_stop() {
	local code=0
	kill -TERM "$DAEMON"
	wait "$DAEMON" || code=$?
	[ $code = "${1:-0}" ] || fail "xenmeterd's exit code is $code"
	DAEMON=
}

# daemon_kill: kill -9
daemon_kill() {
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2>/dev/null || :
	DAEMON=
}

daemon_said() { grep -qE -- "$1" "$LOG"; }

balanced() {
	xenmeter check --stopped >/tmp/check || {
		cat /tmp/check
		fail 'xenmeter check'
	}
	tail -n 1 /tmp/check
}

# counter NAME-OF-GUEST COUNTER [VDEV]: summed over its rows, also retired ones
counter() {
	xenmeter dump --json --all | jq --arg n "$1" --arg c "$2" --argjson d "$(devid "${3:-}")" '
		[.rows[] | select(.name == $n and ($d == null or .devid == $d)) | .counters[$c]]
		| add // 0'
}

# expect_sums GUEST FILTER [VDEV]: of the sums of its rows' counters, also of retired rows
expect_sums() {
	xenmeter dump --json --all | jq -eMc --arg n "$1" --argjson d "$(devid "${3:-}")" "
		[.rows[] | select(.name == \$n and (\$d == null or .devid == \$d)) | .counters | to_entries[]]
		| group_by(.key) | map({key: .[0].key, value: (map(.value) | add)}) | from_entries
		| with_entries(select(.value != 0)), ($2)" >/tmp/sums || {
		cat /tmp/sums
		fail "$1: not so: $2"
	}
}

# expect_json FILTER: of the rows of queues in the whole table, also the retired ones
expect_json() {
	xenmeter dump --json --all | jq -e ".rows |= map(select(.queue != null)) | ($1)" >/dev/null ||
		fail "not so: $1"
}

# devid VDEV: xvda to 51712; null if none is named
devid() {
	case $1 in
	"") echo null ;;
	xvd[a-p]) printf '%d\n' $((51712 + 16 * ($(printf '%d' "'${1#xvd}") - 97))) ;;
	*) echo "$1" ;;
	esac
}

# ---- guests ----

# image NAME SIZE: makes an empty file; prints its path
image() {
	mkdir -p "$D"
	rm -f "$D/$1"
	truncate -s "$2" "$D/$1"
	echo "$D/$1"
}

# disk VDEV TARGET [OPTION...]: a disk for xl, for a config or xl block-attach
disk() {
	local vdev=$1 target=$2
	shift 2
	printf 'format=raw,vdev=%s,backendtype=phy,script=block-xenmeter,%starget=%s' \
		"$vdev" "$(printf '%s,' "${@:-access=rw}")" "$target"
}

# disks DISK...: a line of a guest's config
disks() {
	local text
	text=$(printf '"%s",' "$@")
	echo "disk=[${text%,}]"
}

# guest NAME [LINE-OF-CONFIG...] <SCRIPT: a guest that runs it. TYPE, VCPUS, BLKFRONT and
# NETFRONT (options for its modules) may be set; with RAMDISK=fio it has fio, mkfs.ext4
# and a lot to load, with RAMDISK=net xen-netfront, ethtool and iperf3, with RAMDISK=web
# nginx and wrk, too, with RAMDISK=lies no frontend but those of tests/hostile.
guest() {
	local name=$1 memory=128
	shift
	case ${RAMDISK:-guest} in
	fio) memory=420 ;;
	net | web) memory=200 ;;
	esac
	guest_ramdisk "$name"
	config "$name" "ramdisk=\"$D/$name.cpio\"" "type=\"${TYPE:-pv}\"" "memory=$memory" \
		"vcpus=${VCPUS:-1}" "extra=\"$KERNEL_LINE rdinit=/guest-init\"" "$@"
	patiently xl create -q "/tmp/guest-$name/config" || fail "xl create $name"
	DOMIDS[$name]=$(xl domid "$name") || fail "$name is gone"
}

# patiently COMMAND...: xl gives a hotplug script 40 seconds. If a busy machine took longer
# under emulation, it is done again.
patiently() {
	for _ in 1 2 3; do
		"$@" >/tmp/xl-said 2>&1 && return
		grep -q 'because of timeout' /tmp/xl-said || break
		say "too slow for xl: $*"
	done
	cat /tmp/xl-said
	return 1
}

attach_once() {
	xl block-attach "$1" "$2" && return
	! grep -q 'because of timeout' /tmp/xl-said || xl block-detach --force "$1" "$3" || :
	return 1
}

# attach GUEST VDEV TARGET [OPTION...]: as `disk` has them
attach() {
	patiently attach_once "$1" "$(disk "${@:2}")" "$2" || fail "block-attach $1 $2"
}

# detach GUEST VDEV: for which xl gives the guest ten seconds, too
detach() {
	local n
	for n in 1 2 3; do
		xl block-detach "$1" "$2" >/tmp/xl-said 2>&1 && return
		[ $n = 1 ] || ! grep -q 'not connected' /tmp/xl-said || return 0
		grep -q 'unable to remove' /tmp/xl-said || break
		say "too slow for xl: block-detach $1 $2"
	done
	cat /tmp/xl-said
	fail "block-detach $1 $2"
}

# refused_attach GUEST VDEV TEXT TARGET [OPTION...]: xl has to fail, and to say the text
refused_attach() {
	local guest=$1 vdev=$2 text=$3
	shift 3
	! patiently attach_once "$guest" "$(disk "$vdev" "$@")" "$vdev" >/dev/null ||
		fail "accepted: $*"
	grep -m 1 -- "$text" /tmp/xl-said || {
		cat /tmp/xl-said
		fail "xl does not say: $text"
	}
	# xl leaves what failed in the store.
	detach "$guest" "$vdev"
}

# config NAME LINE...: QEMU's time stamp counter is not invariant, and Xen would emulate it,
# slowly; in a PVH guest QEMU cannot do that at all.
config() {
	local name=$1
	shift
	printf '%s\n' "name=\"$name\"" "kernel=\"$GUESTS/vmlinux\"" \
		'on_poweroff="destroy"' 'on_reboot="destroy"' 'on_crash="destroy"' \
		'tsc_mode="native"' "$@" \
		>"/tmp/guest-$name/config"
}

# guest_ramdisk NAME <SCRIPT
guest_ramdisk() {
	local dir=/tmp/guest-$1
	rm -rf "$dir" "$LOGS/guest-$1.log"
	mkdir -p "$dir/root" "$D"
	cp /xm/guest-init /xm/talk.sh /xm/load /xm/gaps "$dir/root/"
	case ${RAMDISK:-} in
	lies | web) cp -r "/xm/$RAMDISK" "$dir/root/" ;;
	net) [ ! -d /xm/curl ] || cp -r /xm/curl "$dir/root/" ;;
	esac
	chmod 755 "$dir/root/guest-init"
	printf '%s="%s"\n' BLKFRONT "${BLKFRONT:-}" NETFRONT "${NETFRONT:-}" >"$dir/root/job.env"
	cat >"$dir/root/job"
	(cd "$dir/root" && find . | cpio -o -H newc 2>/dev/null) >"$dir/cpio"
	cat "$GUESTS/${RAMDISK:-guest}.cpio" "$dir/cpio" >"$D/$1.cpio"
}

# driver_domain NAME: creates one; returns when xenmeterd serves there. With SYSTEMD=1 it has
# systemd's files, see systemd.sh.
driver_domain() {
	local memory=300
	rm -rf "/tmp/guest-$1"
	mkdir -p "/tmp/guest-$1" "$D"
	(cd / && cpio -o -H newc </xm/files 2>/dev/null) >"$D/own.cpio"
	cat "$GUESTS/domain.cpio" "$D/own.cpio" >"$D/$1.cpio"
	[ -z "${SYSTEMD:-}" ] || {
		memory=360
		(cd /disk/systemd && find . | cpio -o -H newc 2>/dev/null) >>"$D/$1.cpio"
	}
	config "$1" "ramdisk=\"$D/$1.cpio\"" 'type="pv"' "memory=$memory" 'driver_domain=1' \
		"extra=\"$KERNEL_LINE driver=1\""
	patiently xl create -q "/tmp/guest-$1/config" || fail "xl create $1"
	DOMIDS[$1]=$(xl domid "$1") || fail "$1 is gone"
	xl sched-credit2 -d "$1" -w 2048 # its hotplug scripts have ten seconds, as dom0's
	told "$1" up >/dev/null
	ASKED=0
}

# ask DRIVER-DOMAIN COMMAND: run there; sets ANSWER
ask() {
	ASKED=$((ASKED + 1))
	send "$1" ask "$ASKED $2"
	ANSWER=$(told "$1" "answer-$ASKED") || exit
}

# domid NAME: of a guest that `guest` has made it is remembered, since each start of xl takes a
# third of a second under emulation. A scenario that gives it another domain says so first.
domid() {
	if [ -n "${DOMIDS[$1]:-}" ]; then echo "${DOMIDS[$1]}"; else xl domid "$1"; fi
}
another_domain() { unset "DOMIDS[$1]"; }
alive() { xl domid "$1" >/dev/null 2>&1; }
gone() { ! alive "$1"; }

# send GUEST KEY VALUE: the guest has it from `receive`
send() { xenstore-write "/local/domain/$(domid "$1")/control/xm-$2" "$3"; }

told_or_gone() { xenstore-exists "$1" || ! xenstore-exists "${1%/data/*}"; }

# await_key PATH SECONDS: until it is there, or its domain is gone, of which no watch tells
await_key() {
	local end=$((SECONDS + $2 * PATIENCE)) events watch code=0
	exec {events}< <(exec xenstore-watch "$1")
	watch=$!
	until told_or_gone "$1" 2>/dev/null; do
		[ $SECONDS -lt $end ] || { code=1; break; }
		read -r -t 5 -u "$events" _ || :
	done
	kill "$watch" || :
	exec {events}<&-
	return $code
}

# told GUEST KEY [SECONDS]: what the guest told; waits for it
told() {
	local path
	path=/local/domain/$(domid "$1")/data/$2 || fail "$1 is gone"
	await_key "$path" "${3:-150}" || fail "$1 does not tell $2"
	xenstore-read "$path" || fail "$1 died before it told $2"
}

# worked GUEST [SECONDS]: wait until its script has ended, well
worked() {
	local code
	code=$(told "$1" result "${2:-150}")
	[ "$code" = 0 ] || fail "$1's script ended with $code"
}

destroy() {
	local name
	for name in "$@"; do
		xl destroy "$name" || say "xl destroy $name: waited in vain"
		within 120 gone "$name" || fail "$name does not go away"
		another_domain "$name"
	done
	no_zombies
}

no_zombies() {
	! xl list | grep -q '(null)' || {
		xl list
		fail 'a zombie domain'
	}
}

# ---- running scenarios ----

show_logs() {
	local log
	echo '---- domains:'
	xl list
	for log in "$LOG" "$LOGS"/guest-*.log "$LOGS"/xen-hotplug.log; do
		[ -s "$log" ] || continue
		echo "---- ${log##*/}:"
		tail -n 40 "$log" | tr -d '\r'
	done
	echo '---- store:'
	xenstore-ls "${BACKEND%/*}" 2>/dev/null | head -n 80
	xenstore-ls /local/domain/0/error 2>/dev/null
	xenstore-ls -f /local/domain 2>/dev/null | grep -E '^/local/domain/[1-9][0-9]*/(device|error)/.*(state|error) ='
	echo '---- kernel:'
	dmesg | tail -n 20
	[ -z "${ASKED:-}" ] || ! alive dd || (
		ask dd 'tail -n 25 /var/log/xenmeterd.log; tail -n 5 /var/log/xen/*.log
			xenstore-ls backend | grep -E "state|error|status"; ps'
		echo "---- dd: $ANSWER"
	)
	xenmeter dump --json --all | jq -Mc '.rows[] |
		[.state, .name, .devid, .queue, (.counters | with_entries(select(.value != 0)))]'
}

clean_up() {
	code=$?
	trap - EXIT
	set +eu
	[ $code = 0 ] || show_logs >&2
	for name in $(xl list | awk 'NR > 1 && $2 != 0 { print $1 }'); do xl destroy "$name"; done
	if [ -n "${DAEMON:-}" ]; then
		kill -TERM "$DAEMON" 2>/dev/null
		for _ in $(seq 50); do kill -0 "$DAEMON" 2>/dev/null || break; sleep 0.2; done
		kill -KILL "$DAEMON" 2>/dev/null
	fi
	for job in $(jobs -p); do kill "$job"; done 2>/dev/null
	rm -rf "$D" /tmp/guest-* /run/xenmeter "$LOGS"/guest-*.log "$LOGS"/xen-hotplug.log
	exit $code
}

# In a process of its own, with the scenario's name as $1.
scenario_script='. /xm/lib.sh
	set -eu
	DAEMON=
	trap clean_up EXIT
	trap "exit 124" TERM
	. "/xm/scenarios/$1"'

limit_of() {
	local limit
	limit=$(sed -n 's/^# limit: //p' "/xm/scenarios/$1")
	echo $((${limit:-120} * PATIENCE))
}

scenarios_run() {
	local name began verdict code
	for name in "$@"; do
		began=$SECONDS
		echo "==== $name"
		timeout -k 20 "$(limit_of "$name")" \
			bash -c "$scenario_script" scenario "$name" &
		code=0
		wait $! || code=$?
		case $code in
		0) verdict=passed ;;
		124 | 137) verdict="FAILED: not done in $(limit_of "$name") s" ;;
		*) verdict=FAILED ;;
		esac
		echo "@@ $name: $verdict ($((SECONDS - began)) s)"
	done
}
