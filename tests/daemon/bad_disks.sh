#!/bin/sh
# SPDX-License-Identifier: MIT
# Disks that cannot be served: the operator is told in error/backend/..., the device is
# closed, and the daemon and its other guests do not care.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
n=0
# refused PATTERN TARGET [OPTION...]
refused() {
	pattern=$1; target=$2; shift 2
	n=$((n + 1))
	say "$target $*"
	attach "$d" $((51712 + 16 * n)) "$target" "$@"
	expect_error "$d" "$pattern" $((51712 + 16 * n))
	state "$d" back 6 $((51712 + 16 * n))
	grep -Eq "$pattern" "$LOG" || fail 'nothing in the log'
	sleep 0.15 # the log's lines are counted per guest and second
	"$SIMXL" block-detach "$d" $((51712 + 16 * n))
}

refused 'none: cannot open it.*No such file' "$W/none"
mkdir "$W/dir"
refused 'dir: (cannot open it.*directory|neither a regular)' "$W/dir"
refused 'neither a regular file nor a block device' "$W/dir" --mode r
refused 'neither a regular file nor a block device' /dev/null
# To open it for reading would wait for a writer, and the control thread serves all.
mkfifo "$W/fifo"
refused 'neither a regular file nor a block device' "$W/fifo" --mode r
refused 'neither a regular file nor a block device' "$W/fifo"
refused 'not at least one sector' "$(disk small 511)"
refused 'not at least one sector' "$(disk empty 0)"
refused 'not at least one sector' null:511
refused 'cache=foo is not known' "$(disk a 16M)" --set cache=foo
for size in nonsense '' 0 -512 99999999999T 1M2; do
	refused 'not a size' "null:$size"
done
kill -0 "$DAEMON"
attach "$d" xvda null:16M
load "$d" --rw randread --number 100
finish
