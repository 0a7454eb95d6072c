#!/bin/sh
# SPDX-License-Identifier: MIT
# All that is published before Connected is written in one transaction, so who
# sees state 4 sees all of it. The same at InitWait.
. "$(dirname "$0")/lib.sh"

# Reads the keys the moment the state is seen; prints those that are not there.
watcher() { # PATH STATE KEY...
	b=$1; s=$2; shift 2
	n=0
	while [ "$(xenstore-read "$b/state" 2>/dev/null)" != "$s" ]; do
		n=$((n + 1)); [ $n -lt 10000 ] || { echo timeout; return; }
	done
	for k; do xenstore-read "$b/$k" >/dev/null 2>&1 || echo "$k"; done
}

host
d=$(guest one)
for n in 1 2 3 4 5; do
	b=$(back "$d")
	watcher "$b" 2 feature-persistent feature-max-indirect-segments \
		multi-queue-max-queues max-ring-page-order max-ring-pages >"$W/missing.2" &
	w2=$!
	watcher "$b" 4 sectors sector-size physical-sector-size info feature-flush-cache \
		feature-barrier feature-discard discard-granularity discard-alignment \
		>"$W/missing.4" &
	w4=$!
	PIDS="$PIDS $w2 $w4"
	attach "$d" xvda "$(disk a 16M)"
	wait $w2
	load "$d" --hold 0.2
	wait $w4
	for s in 2 4; do
		[ ! -s "$W/missing.$s" ] ||
			fail "seen at state $s without: $(cat "$W/missing.$s")"
	done
	"$SIMXL" block-detach "$d" xvda
done
finish
