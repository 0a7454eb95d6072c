#!/bin/sh
# SPDX-License-Identifier: MIT
# Kernels that do not let the domain be measured: one without its types, one under
# lockdown, and one that grants no rights. One line says so, the table's header says which,
# guests are served and charged, and nothing is left.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip 'only root may hide what the kernel says'
unshare -m true 2>/dev/null || skip 'no mount namespaces here'
XENMETERD_ITSELF=$XENMETERD
DOMAIN=--domain=on
mkdir "$W/empty" "$W/locked"
echo 'none integrity [confidentiality]' >"$W/locked/lockdown"
# The daemon in a namespace of its own, where one directory is in another's place.
cat >"$W/hidden" <<'TEXT'
#!/bin/sh
mount --bind "$HIDE_UNDER" "$HIDE" && exec "$@"
TEXT
chmod +x "$W/hidden"

# absent NUMBER TEXT: what such a daemon does
absent() {
	[ "$(grep -c 'the domain.s CPU is' "$LOG")" = 1 ] || { cat "$LOG"; fail 'not one line'; }
	grep -q "the domain.s CPU is not measured: .*$2" "$LOG" || { cat "$LOG"; fail "not: $2"; }
	[ "$(od -An -tu1 -j 147 -N 1 "$TABLE" | tr -d ' ')" = 0 ] || fail 'the header says: measured'
	[ "$(od -An -tu1 -j 176 -N 1 "$TABLE" | tr -d ' ')" = "$1" ] || fail "the header does not say $1"
	"$XENMETER" dump --domain --table "$TABLE" | grep -q "not measured: .*$2" || fail 'dump --domain'
	[ -z "$(find "/proc/$DAEMON/fd" -lname '*bpf*')" ] || fail 'programs are left'
	before=$(row "$one" read_requests)
	load "$one" --rw read --number 100
	expect_row "$one" read_requests $((before + 100))
	daemon_stop
	: >"$LOG"
}

"$SIMXL" up
one=$(guest one)
attach "$one" xvda null:16M
if [ -d /sys/kernel/btf ]; then
	export HIDE=/sys/kernel/btf HIDE_UNDER="$W/empty"
	XENMETERD="unshare -m $W/hidden $XENMETERD_ITSELF"
	daemon_start
	absent 3 'no BTF'
	say 'without types'
fi
if [ -d /sys/kernel/security ] && [ -d /sys/kernel/btf ]; then
	export HIDE=/sys/kernel/security HIDE_UNDER="$W/locked"
	XENMETERD="unshare -m $W/hidden $XENMETERD_ITSELF"
	daemon_start
	absent 4 'lockdown'
	say 'under lockdown'
fi
if command -v setpriv >/dev/null; then
	XENMETERD="setpriv --bounding-set -sys_admin,-bpf,-perfmon --inh-caps -sys_admin,-bpf,-perfmon $XENMETERD_ITSELF"
	daemon_start
	absent 4 'does not permit'
	say 'without rights'
fi
XENMETERD=$XENMETERD_ITSELF DOMAIN=--domain=off
daemon_start
[ "$(od -An -tu1 -j 176 -N 1 "$TABLE" | tr -d ' ')" = 1 ] || fail 'the header does not say: off'
finish
