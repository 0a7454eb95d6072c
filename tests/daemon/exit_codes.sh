#!/bin/sh
# SPDX-License-Identifier: MIT
# What is wrong at the start: its exit code and one line that helps.
. "$(dirname "$0")/lib.sh"

# ends CODE PATTERN COMMAND...: with that code, and one line like that on stderr
ends() {
	want=$1; pattern=$2; shift 2
	got=0; timeout 20 "$@" 2>"$W/err" >&2 || got=$?
	[ $got = "$want" ] || { cat "$W/err"; fail "exit code $got instead of $want: $*"; }
	grep -Eq -- "$pattern" "$W/err" || { cat "$W/err"; fail "not like '$pattern'"; }
	[ "$want" = 2 ] || [ "$(wc -l <"$W/err")" = 1 ] || { cat "$W/err"; fail 'not one line'; }
}
daemon() { "$SIMXL" run 0 "$XENMETERD" "$@"; }
run() { ends "$1" "$2" "$SIMXL" run 0 "$XENMETERD" "$@"; }

say '2: usage'
ends 2 unrecognized "$XENMETERD" --nonsense
for n in 0 65 x ''; do ends 2 'from 1 to 64' "$XENMETERD" --workers "$n"; done
ends 2 'not an option' "$XENMETERD" file
ends 0 '' "$XENMETERD" --version 3>&2

say '3: no Xen devices'
ends 3 '/dev/xen/evtchn.*is this a Xen domain' env XENSIM_DIR="$W/none" "$XENMETERD" \
	--table "$TABLE"

host
say '4: no xenstore'
ends 4 'cannot reach xenstore' "$SIMXL" run 0 env XENSTORED_PATH="$W/none" "$XENMETERD" \
	--table "$W/table2"

say '5: a table that cannot be written'
ends 5 'table' "$SIMXL" run 0 "$XENMETERD" --table "$W/no/such/directory/table"
mkdir "$W/is-a-directory"
ends 5 'is-a-directory' "$SIMXL" run 0 "$XENMETERD" --table "$W/is-a-directory"

say '1: no such user'
if [ "$(id -u)" = 0 ]; then
	ends 1 'no user no-such-user; .*systemd-sysusers.*adduser' "$SIMXL" run 0 "$XENMETERD" \
		--table "$W/table3" --user no-such-user
	[ ! -e "$W/table3" ] || fail 'a table was made'
fi

say '1: a second one'
ends 1 'another xenmeterd is accounting' "$SIMXL" run 0 "$XENMETERD" --table "$TABLE"
balanced
finish
