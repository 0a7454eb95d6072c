#!/bin/sh
# SPDX-License-Identifier: MIT
# As another user: the daemon serves disks of root, found after it has dropped its rights,
# of which three are left; and nobody without the group reads the table.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip 'only root has rights to drop'
host --user nobody
pid=$(pgrep -x xenmeterd -P "$DAEMON" || echo "$DAEMON")
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
[ "$(field Uid | cut -f 1)" = 65534 ] || fail "its user is $(field Uid)"
[ "$(field Groups)" = '' ] || fail "it has groups: $(field Groups)"
[ "$(field NoNewPrivs)" = 1 ] || fail 'it may gain rights'
# CAP_DAC_OVERRIDE 1, CAP_NET_ADMIN 12, CAP_PERFMON 38
[ $((0x$(field CapEff) & ~((1 << 1) | (1 << 12) | (1 << 38)))) = 0 ] ||
	fail "it has capabilities $(field CapEff)"
[ "${SANITIZE:-none}" != none ] || [ "$(field Seccomp)" = 2 ] || fail 'there is no filter'
one=$(guest one)
attach "$one" xvda "$(disk a 16M)"
chmod 600 "$W/a"
load "$one" --rw randrw --verify --depth 4 --number 500 --json >"$W/one.out"
expect_json "$W/one.out" '.verify.errors == 0 and .errors.error == 0'
[ "$(stat -c %a "$TABLE")" = 640 ] || fail "the table's mode is $(stat -c %a "$TABLE")"
chmod 755 "$W"
! setpriv --reuid 65533 --regid 65533 --clear-groups cat "$TABLE" >/dev/null 2>&1 ||
	fail 'anybody reads the table'
finish
