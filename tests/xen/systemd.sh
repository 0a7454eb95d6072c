# SPDX-License-Identifier: MIT
# The installed unit under Debian's systemd, which runs in a PID namespace; sourced after
# lib.sh, in dom0 or in a driver domain that was created with SYSTEMD=1.

systemd_pid() { cat /run/first-systemd; }
# is_systemd PARENT: its child is. By its name alone others would be, too, which systemd has
# made and which run another program in a moment.
is_systemd() {
	local child
	child=$(tr -d ' ' <"/proc/$1/task/$1/children")
	[ "$(cat "/proc/$child/comm")" = systemd ] && echo "$child" >/run/first-systemd
}
inside() { nsenter -t "$(systemd_pid)" -m -p "$@"; }
control() { inside systemctl --no-ask-password --no-pager "$@"; }
is_running() { control is-system-running --quiet; }
property() { control show xenmeterd --property="$1" --value; }
expect_property() { [ "$(property "$1")" = "$2" ] || fail "$1 is '$(property "$1")', not '$2'"; }
# status NAME: a line of /proc/PID/status
status() { inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$(property MainPID)/status"; }

manage() {
	control "$1" xenmeterd || {
		control status xenmeterd
		fail "systemctl $1"
	}
}

# systemd_up [DIRECTORY-OF-UNITS]: with our units, and those. The user is to be made by what
# is installed.
systemd_up() {
	local parent
	sed -i '/^xenmeter:/d' /etc/passwd
	systemd-sysusers || fail 'systemd-sysusers'
	id -u xenmeter >/dev/null || fail 'no user was made'
	: >"$LOG"
	UNITS=/usr/lib/systemd/system${1:+:$1} LOG=$LOG \
		unshare -m -p -u -i -f /xm/systemd-init >/tmp/systemd 2>&1 &
	parent=$!
	disown # it is killed at the end, of which bash would tell
	within 120 is_systemd "$parent" || { cat /tmp/systemd; fail 'no systemd in a namespace'; }
	within 120 is_running || {
		cat /tmp/systemd
		control list-units --all
		fail 'systemd does not run'
	}
}

# next_of_unit DEVICES kill|restart: the daemon ends so, and the next one goes on with as many
next_of_unit() {
	local before
	devices_gone_on() { grep -c 'goes on where the last daemon ended' "$LOG" || :; }
	before=$(devices_gone_on)
	case $2 in
	kill) control kill --signal=KILL --kill-whom=main xenmeterd ;;
	restart) manage restart ;;
	esac
	all_gone_on() { [ "$(devices_gone_on)" -ge "$1" ] && tail -n 3 "$LOG" | grep -q 'devices go on'; }
	within 120 all_gone_on $((before + $1)) || {
		control status xenmeterd
		tail -n 20 "$LOG"
		fail "not all devices go on after $2"
	}
}
