#!/bin/sh
# SPDX-License-Identifier: MIT
# A device that waits says once in the log what it waits for, and connects when that has
# come. Nothing was said, and nobody knew which of script, storage and guest was missing.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)" --no-script
attach "$d" xvdb "$(disk b 16M)" --no-script
b=$(back "$d" 51728)
xenstore-rm "$b/script" "$b/params"
"$SIMXL" vif-attach "$d" 0 --no-script --set type=null
# said DEVICE REASON: how often
said() { grep -c "backend/$1 .*waits for $2" "$LOG"; }
is_said() { [ "$(said "$@")" = 1 ]; }
disk="vbd/$d/51712" params="vbd/$d/51728" vif="vif/$d/0"
within 10 is_said "$disk" 'its hotplug script to write physical-device'
within 10 is_said "$params" 'its params'
within 10 is_said "$vif" 'its hotplug script to write hotplug-status=connected'

say 'who waits for something else says so, too'
xenstore-rm "$(back "$d")/script" "$(back "$d")/params"
within 10 is_said "$disk" 'its params'

say 'it comes, and nothing more is said'
load_bg "$W/one.out" "$d" --number 100; one=$BG
state "$d" front 3
xenstore-write "$(back "$d")/params" "$W/a"
ended $one
"$SIMXL" run "$d" "$STATEWALK-vif" connect & vif_front=$!
"$SIMXL" wait-state "$d" vif:0 front 4
xenstore-write "$HOME0/backend/$vif/hotplug-status" connected
ended $vif_front
for device in "$disk" "$params" "$vif"; do
	n=$(said "$device" '')
	[ "$n" = 1 ] || [ "$device $n" = "$disk 2" ] || fail "$device has said $n times what it waits for"
done
finish
