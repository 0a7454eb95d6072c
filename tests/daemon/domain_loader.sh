#!/bin/sh
# SPDX-License-Identifier: MIT
# The process that loads the programs that measure the domain, before it loads them: it has
# no descriptor that it does not need, as a TAP's that systemd handed to the daemon, and no
# other right than to load programs. The launcher of storage helpers has no such descriptor
# either. Killed, it is a reason in the log, and guests are served. Both used to keep all
# that the daemon had open, and the loader all rights.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || skip 'only root may load programs into the kernel'
child() { pgrep -x "$1" -P "$DAEMON"; }
# few_left PID: standard input, output and error, and a socket
few_left() {
	[ "$(find "/proc/$1/fd" -mindepth 1 | wc -l)" = 4 ] &&
		[ "$(find "/proc/$1/fd" -lname 'socket:*' | wc -l)" -ge 1 ] &&
		! find "/proc/$1/fd" -lname "$W/handed" | grep -q .
}

umask 0
chmod 755 "$W"
mkdir "$W/table.d"
TABLE=$W/table.d/table
"$SIMXL" up
! "$SIMXL" run 0 "$XENMETERD" --probe | grep -q 'this build cannot' || skip 'not built'
chmod 777 "$XENSIM_DIR"
one=$(guest one)
attach "$one" xvda null:16M
# The daemon waits for the store, and both of its children for the daemon.
for p in $(pgrep -x sim-xenstored); do
	! tr '\0' '\n' 2>/dev/null <"/proc/$p/environ" | grep -qxF "XENSIM_DIR=$XENSIM_DIR" || store=$p
done
kill -STOP "$store"
"$SIMXL" run 0 "$XENMETERD" --table "$TABLE" --domain=on --user nobody "$WORKERS" \
	9>"$W/handed" 2>>"$LOG" >&2 </dev/null &
DAEMON=$!
within 20 child xenmeterd-load || fail 'no loader'
loader=$(child xenmeterd-load)
launcher=$(child xenmeterd)
within 10 few_left "$loader" || { ls -l "/proc/$loader/fd"; fail 'the loader has more open'; }
within 10 few_left "$launcher" || { ls -l "/proc/$launcher/fd"; fail 'the launcher has more open'; }
[ -e "/proc/$DAEMON/fd/9" ] || fail 'the daemon was not handed anything'
# CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF
rights=$(awk '$1 == "CapPrm:" { print $2 }' "/proc/$loader/status")
[ $((0x$rights & ~(1 << 21 | 1 << 38 | 1 << 39))) = 0 ] || fail "the loader's rights: $rights"
[ "$(awk '$1 == "Uid:" { print $2 }' "/proc/$loader/status")" = "$(id -u nobody)" ] ||
	fail 'the loader is another user'
kill -KILL "$loader"
kill -CONT "$store"
# shellcheck disable=SC2034 # of lib.sh
SERVED=0 DOMAIN_SAID=0
within 20 serving_or_dead || fail 'it does not start'
within 30 domain_said || fail 'it does not serve'
grep -q 'not measured: the process that loads its programs has died' "$LOG" || fail 'not said'
[ "$(od -An -tu1 -j 176 -N 1 "$TABLE" | tr -d ' ')" = 7 ] || fail 'the header does not say: not loaded'
load "$one" --rw read --number 100
finish
