#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernel's memory for vifs that are up, and how long the daemon takes to make and to
# remove them. Run by tests/bench/run vifs. Argument: how many vifs, 256 at most.
LIB=../daemon/lib.sh
. "$(dirname "$0")/../daemon/netlib.sh"

vifs=$1
quiet
net_host
d=$(guest one)
# What TAPs take of it: slab, and what is too large for that.
memory_kib() { awk '/^Slab:|^VmallocUsed:|^Percpu:/ { sum += $2 } END { print sum }' /proc/meminfo; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
last=$((vifs - 1))

before=$(memory_kib); start=$(now_ms)
for v in $(seq 0 $last); do
	"$SIMXL" vif-attach "$d" "$v" --bridge "$BRIDGE" --no-script
done
"$SIMXL" wait-state "$d" "vif:$last" back 2 60 || fail 'no InitWait'
made=$(($(now_ms) - start))
for v in $(seq 0 $last); do
	echo "link set vif$d.$v up master $BRIDGE"
done >"$W/batch"
start=$(now_ms)
ip -batch "$W/batch"
up=$(($(now_ms) - start))
memory=$(($(memory_kib) - before))
start=$(now_ms)
"$SIMXL" destroy "$d"
all_gone() { ! ip -brief link | grep -q "^vif$d"; }
within 60 all_gone || fail 'TAPs have stayed'
gone=$(($(now_ms) - start))
echo "$vifs" $memory $made $up $gone | awk '{
	printf "%d vifs up: %.1f MiB of kernel memory, %.2f a vif; made in %d ms with simxl, up in %d ms, gone in %d ms\n",
		$1, $2 / 1024, $2 / 1024 / $1, $3, $4, $5 }'
finish
