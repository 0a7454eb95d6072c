#!/bin/sh
# SPDX-License-Identifier: MIT
# The unit as it is installed, run by systemd: the user is made, the daemon is ready, serves
# a disk and a vif behind all that the unit and it itself forbid, is started again when it
# stops or dies, and stops cleanly. systemd is the first process of a namespace, and a
# drop-in tells the daemon of the simulated Xen.
. "$(dirname "$0")/netlib.sh"

for program in systemctl systemd-sysusers; do need $program systemd; done
[ -x /lib/systemd/systemd ] || skip 'needs systemd'
need nsenter util-linux
[ -n "${UNIT:-}" ] || skip 'UNIT is not set'

# ---- systemd ----

GROUP=$W/cgroup/xenmeter-test-$$
SYSTEMD=

leave() {
	code=$?
	set +e
	[ -z "$SYSTEMD" ] || kill -KILL "$SYSTEMD"
	[ $code = 0 ] || cat "$W/status" 2>/dev/null
	[ ! -e "$GROUP/cgroup.kill" ] || echo 1 >"$GROUP/cgroup.kill"
	if mountpoint -q "$W/cgroup"; then
		within 10 sh -c "find '$GROUP' -depth -type d -exec rmdir {} +; [ ! -e '$GROUP' ]"
		umount "$W/cgroup"
	fi
	return $code
}
trap 'leave; cleanup' EXIT

mkdir "$W/cgroup"
mount -t cgroup2 cgroup2 "$W/cgroup" 2>/dev/null && mkdir "$GROUP" || skip 'no cgroup2'

# The unit's ExecStart= names no directory; /usr/local/sbin is the first to be looked into.
mkdir -p "$W/units/xenmeterd.service.d" "$W/units/xenmeterd-failed.service.d" "$W/root/etc" \
	"$W/sbin"
# A copy, since the user that is made may not be able to enter the folder of the build.
cp "$XENMETERD" "$(dirname "$UNIT")/xenmeter-storage-daemon" "$W/sbin/"
units=$(dirname "$UNIT")
cp "$UNIT" "$units"/xenmeterd-failed.service "$units"/xenmeter-storage*.s* "$W/units/"
cp /etc/passwd /etc/group "$W/root/etc/"
systemd-sysusers --root="$W/root" "$SYSUSERS" || fail 'systemd-sysusers'
chmod 755 "$W"
umask 0 # the simulated Xen has no devices, but files of root's
"$SIMXL" up
chmod 777 "$W/xen"
{
	echo '[Unit]'
	echo 'ConditionPathExists='
	echo '[Service]'
	"$SIMXL" env 0 | sed -E "s/^export ([A-Z_]+)=(.*)/Environment=\1=\2/; s/'//g"
	[ "${SANITIZE:-none}" = none ] || echo 'Environment=ASAN_OPTIONS=detect_leaks=0'
} >"$W/units/xenmeterd.service.d/simulated.conf"
cp "$W/units/xenmeterd.service.d/simulated.conf" "$W/units/xenmeterd-failed.service.d/"
# What a shutdown does, with the unit of Debian's script and in one transaction.
cat >"$W/units/xendomains.service" <<END
[Unit]
After=xen.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=true
ExecStop=sh -c 'sleep 0.3; systemctl is-active xenmeterd >$W/order; true'
END
cat >"$W/units/down.target" <<END
[Unit]
DefaultDependencies=no
Conflicts=xenmeterd.service xendomains.service
END
mkdir "$W/units/xenmeter-storage@.service.d"
cp "$W/units/xenmeterd.service.d/simulated.conf" "$W/units/xenmeter-storage@.service.d/"

export UNITS="$W/units" LOG
sh -c "echo \$\$ >$GROUP/cgroup.procs && exec unshare --mount --pid --uts --ipc --cgroup --fork \
	--kill-child sh -euc '
		mount -t tmpfs run /run
		mount --bind $W/sbin /usr/local/sbin
		for file in passwd group; do mount --bind $W/root/etc/\$file /etc/\$file; done
		exec $(dirname "$0")/systemd-init'" >"$W/systemd" 2>&1 &
SYSTEMD=$!

init() { pgrep -P "$SYSTEMD" -x systemd; }
within 30 init || { cat "$W/systemd"; skip 'no systemd in a namespace'; }
INIT=$(init)
# inside COMMAND...: among systemd's processes and mounts
inside() { nsenter --target "$INIT" --mount --root --pid "$@"; }
control() { inside systemctl "$@"; }
is_running() { control is-system-running --quiet; }
within 30 is_running || { cat "$W/systemd"; control list-units --all; fail 'systemd does not run'; }

# ---- the unit ----

property() { control show xenmeterd --property="$1" --value; }
expect_property() { [ "$(property "$1")" = "$2" ] || fail "$1 is '$(property "$1")', not '$2'"; }
# status NAME: a line of /proc/PID/status
status() { inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$(property MainPID)/status"; }
manage() {
	control "$1" xenmeterd || {
		control status xenmeterd >"$W/status" 2>&1 || :
		fail "systemctl $1"
	}
}

say 'start'
manage start
expect_property ActiveState active
expect_property NRestarts 0
user=$(sed -n 's/^xenmeter:x:\([0-9]*\):.*/\1/p' "$W/root/etc/passwd")
[ "$user" -gt 0 ] || fail 'no user was made'
[ "$(status Uid | cut -f 1)" = "$user" ] || fail "its user is $(status Uid), not $user"
# CAP_NET_ADMIN
[ $((0x$(status CapPrm))) = $((1 << 12)) ] || fail "it has capabilities $(status CapPrm)"
TABLE=/proc/$INIT/root/run/xenmeter/table
[ "$(stat -c %a:%u:%g "$TABLE")" = "640:0:$(status Gid | cut -f 1)" ] ||
	fail "the table: $(stat -c %a:%u:%g "$TABLE")"
dump >"$W/dump"
expect_json "$W/dump" '[.workers[].switches_seen] | length >= 2 and all'
# shellcheck disable=SC2016
inside nsenter --target "$(property MainPID)" --mount --root sh -c \
	'touch "$0" && ! touch /usr/x 2>/dev/null' "$W/x" || fail 'it may write to /usr'

net_calm
ip link set lo up
ip link add "$BRIDGE" type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set "$BRIDGE" up
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
chmod 600 "$W/a"
"$SIMXL" vif-attach "$d" 0 --bridge "$BRIDGE" --no-script
sent=0
# serve FRAMES: a disk's data are compared, and so many frames sent
serve() {
	load "$d" --rw randrw --verify --depth 4 --number 500 --flush-every 9 --json >"$W/one.out"
	expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0'
	netload_bg "$W/net.out" "$d" generate --json -n "$1"
	# Its script runs once.
	is "$HOME0/backend/vif/$d/0/hotplug-status" connected || {
		"$SIMXL" wait-state "$d" vif:0 back 2
		vif_plug "$d"
	}
	ended "$BG"
	sent=$((sent + $1))
	expect_row "$d" tx_frames $sent # of all lives
	balanced
}
serve 77

say 'storage helpers have one right, and a control group each'
load_bg "$W/hold.out" "$d" --hold 30
state "$d" back 4
units() { control list-units --no-legend --plain 'xenmeter-storage@*' | awk '$3 == "active" { print $1 }'; }
one_helper() { [ "$(units | wc -l)" = 1 ]; }
within 10 one_helper || fail "not one: $(units)"
helper_status() {
	inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$(control show "$(units)" --property=MainPID --value)/status"
}
[ "$(helper_status Uid | cut -f 1)" = "$user" ] || fail "its user is $(helper_status Uid)"
# CAP_DAC_OVERRIDE
[ $((0x$(helper_status CapPrm) | 0x$(helper_status CapBnd))) = $((1 << 1)) ] ||
	fail "it has capabilities $(helper_status CapPrm)"
[ "$(helper_status Name)" = "storage-$d" ] || fail "its name is $(helper_status Name)"
end "$BG"

if command -v qemu-storage-daemon >/dev/null && command -v qemu-img >/dev/null && inside [ -c /dev/fuse ]; then
	say 'a storage daemon has a unit of its own, and goes on over a restart'
	qemu-img create -q -f qcow2 "$W/image" 16M
	inside xenmeter-storage-daemon start "$d-51728" "qcow2:$W/image" w || {
		control status "xenmeter-storage-daemon@$d-51728" || :
		fail 'it does not start'
	}
	attach "$d" xvdb "/run/xenmeter-disks/$d-51728/disk"
	on_image() {
		load "$d" --devid xvdb --rw randrw --verify --depth 4 --number 200 --json >"$W/image.out"
		expect_json "$W/image.out" '.verify.errors == 0 and .errors.error == 0'
	}
	on_image
	of_image() { control show "xenmeter-storage-daemon@$d-51728" --property="$1" --value; }
	[ "$(of_image ActiveState)" = active ] || fail "it is $(of_image ActiveState)"
	pid=$(of_image MainPID)
	# CAP_DAC_OVERRIDE
	[ $((0x$(inside sed -n 's/^CapBnd:\t*//p' "/proc/$pid/status"))) = 2 ] ||
		fail 'it has more than one capability'
	[ "$(inside sed -n 's/^Seccomp:\t*//p' "/proc/$pid/status")" = 2 ] || fail 'no filter of system calls'
	manage restart
	on_image
	[ "$(of_image MainPID)" = "$pid" ] || fail 'it has been restarted, too'
	"$SIMXL" block-detach "$d" xvdb
	inside xenmeter-storage-daemon stop "$d-51728"
	[ "$(of_image ActiveState)" = inactive ] || fail "it is $(of_image ActiveState), not stopped"
fi

say 'restart'
manage restart
expect_property ActiveState active
serve 55

say 'an upgrade of the package: a pause under load, if the new version can go on'
postinst=$(realpath "$(dirname "$0")/../../tools/debian/xenmeterd.postinst")
# What dpkg does once the new files are in place; a policy of this machine does not count.
upgrade() {
	inside sh -euc "$("$SIMXL" env 0)
		export PATH=/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin
		[ ! -e /usr/sbin/policy-rc.d ] || mount --bind /bin/true /usr/sbin/policy-rc.d
		sh '$postinst' configure 0.0.1" >"$W/upgrade" 2>&1 || { cat "$W/upgrade"; fail 'the upgrade'; }
}
if command -v deb-systemd-invoke >/dev/null; then
	load_bg "$W/upgraded.out" "$d" --rw randrw --verify --depth 4 --time 60 --timeout 30 --json; p=$BG
	state "$d" back 4
	served=$(grep -c 'serving with' "$LOG") pid=$(property MainPID)
	upgrade
	expect_property ActiveState active
	[ "$(property MainPID)" != "$pid" ] || { cat "$W/upgrade"; fail 'the former version goes on'; }
	upgraded() { [ "$(grep -c 'serving with' "$LOG")" -gt "$served" ]; }
	within 10 upgraded || fail 'the new version does not serve'
	pid=$(property MainPID)
	mv "$W/sbin/xenmeterd" "$W/sbin/xenmeterd.good"
	printf '#!/bin/sh\necho "table: of another world"\nexit 7\n' >"$W/sbin/xenmeterd"
	chmod 755 "$W/sbin/xenmeterd"
	upgrade
	mv "$W/sbin/xenmeterd.good" "$W/sbin/xenmeterd"
	grep -q 'NOT restarted, the former version goes on' "$W/upgrade" || { cat "$W/upgrade"; fail 'no word of it'; }
	grep -q 'table: of another world' "$W/upgrade" || fail 'no reason'
	[ "$(property MainPID)" = "$pid" ] || fail 'it was restarted'
	end "$p"
	expect_json "$W/upgraded.out" '.verify.errors == 0 and .errors.error == 0 and .operations > 0'
fi

say 'killed'
control kill --signal=KILL xenmeterd
again() { [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ]; }
within 10 again || fail 'it does not come back'
serve 33

say 'systemd keeps the descriptors of the interface, which so keeps its carrier'
netload_bg "$W/carrier.out" "$d" connect --hold 60; p=$BG
"$SIMXL" wait-state "$d" vif:0 back 4
[ "$(property NFileDescriptorStore)" -gt 0 ] || fail 'none is kept'
carrier() { cat "/sys/class/net/vif$d.0/ifindex" "/sys/class/net/vif$d.0/carrier_changes"; }
was=$(carrier) lives=$(grep -c "vif/$d/0.*goes on where" "$LOG" || :)
goes_on() { [ "$(grep -c "vif/$d/0.*goes on where" "$LOG")" -gt "$lives" ]; }
manage restart
within 10 goes_on || fail 'it does not go on after a restart'
lives=$((lives + 1))
control kill --signal=KILL xenmeterd
within 10 goes_on || fail 'it does not go on after a kill'
[ "$(carrier)" = "$was" ] || fail "another interface, or no carrier for a while: $(carrier)"
end "$p"

say 'it dies too often: guests wait, and each error says so'
load_bg "$W/waits.out" "$d" --rw randrw --verify --depth 4 --time 60 --timeout 30 --json; p=$BG
state "$d" back 4
printf '[Unit]\nStartLimitIntervalSec=60\nStartLimitBurst=3\n' \
	>"$W/units/xenmeterd.service.d/limit.conf"
control daemon-reload
up_or_failed() { case $(property ActiveState) in active | failed) ;; *) false ;; esac; }
failed() { [ "$(property ActiveState)" = failed ]; }
tries=0
until failed; do
	tries=$((tries + 1))
	[ $tries -le 5 ] || fail 'it is started again and again'
	control kill --signal=KILL xenmeterd 2>/dev/null || :
	within 10 up_or_failed || fail "it is $(property ActiveState)"
done
KIND=vbd
expect_error "$d" 'xenmeterd has failed and is not started again by itself .*(KILL|start-limit)'
within 10 grep -q 'waits until somebody starts it: 1 devices' "$LOG" || fail 'nothing in the log'
expect_key "$(back "$d")/state" 4
KIND=vif
control reset-failed xenmeterd
manage start
no_error() { ! key "$HOME0/error/backend/vbd/$d/51712/error"; }
within 10 no_error || fail 'its error has stayed'
end "$p"
expect_json "$W/waits.out" '.verify.errors == 0 and .errors.error == 0'

say 'shutdown: first the guests, then the daemon'
chmod -R go-w "$W/units"
inside env SYSTEMD_UNIT_PATH="$W/units:" systemd-analyze verify --man=no "$W"/units/xenmeter*.service "$W"/units/*.socket \
	>"$W/verify" 2>&1 || { cat "$W/verify"; fail 'systemd-analyze'; }
[ ! -s "$W/verify" ] || { cat "$W/verify"; fail 'systemd-analyze has something to say'; }
control start xendomains
control start down.target
down() { [ "$(property ActiveState)" = inactive ]; }
within 20 down || fail 'it does not stop'
within 20 [ -s "$W/order" ] || fail 'guests are not shut down'
[ "$(cat "$W/order")" = active ] || fail "guests are shut down when it is $(cat "$W/order")"
expect_property Result success
control stop down.target
manage start

say 'stop'
"$SIMXL" destroy "$d" || fail 'destroy'
manage stop
expect_property ActiveState inactive
expect_property Result success
expect_property ExecMainStatus 0
finish
