#!/bin/sh
# SPDX-License-Identifier: MIT
# A guest that gives no room for long, while a thousand frames a second come for it: once
# as many wait as may, memory does not grow with what comes (XSA 392, 424). That would be
# a megabyte a second; what the neighbours use for the first time is much less. Argument:
# seconds.
. "$(dirname "$0")/net_lib.sh"

net_scene
seconds=$1
starve "$seconds"
# Up to when the first ones are too old; then all is in use that ever will be.
sleep 12
before=$(rss)
tap=$(row 1 rx_dropped_tap)
n=12
while [ $n -lt "$seconds" ]; do
	sleep 1
	n=$((n + 1))
	echo "$(rss) KiB after $n s" >>"$W/memory"
done
say "$before KiB after 12 s; then $(sort -n "$W/memory" | sed -n '1p;$p' | tr '\n' ' ')"
within 20 grep -q starved "$W/offender" || fail 'gone'
flat "$before" 1024 "$seconds seconds"
[ "$(row 1 rx_dropped_tap)" -gt "$tap" ] || fail 'nothing came meanwhile'
within 20 grep -q fed "$W/offender" || fail 'it is not served again'
ended $OFFENDER
kill $SENDER
net_undisturbed
finish
