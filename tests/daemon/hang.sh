# SPDX-License-Identifier: MIT
# A disk that hangs when a test wants it. A test sources this after lib.sh.
#
# hang_prepare WHAT DOMID: makes one, by `filesystem` (it is frozen), `device` (it is
# suspended) or `helper` (of that guest, stopped: what it does hangs, the rest goes on).
# Return: 1 and a reason in $hang_why if that cannot be done here. Afterwards $hang_target
# is the disk, and there are
#   hang        from now on it hangs
#   resume      no more; does nothing if it does not hang
#   hang_remove when nobody has it open any more; at the latest in cleanup
hang_why='' hang_target=''

hang_prepare() {
	hang_guest=$2
	case $1 in
	filesystem | device)
		hang_loop=$(losetup --find --show "$(disk hang.base 64M)" 2>&1) ||
			{ hang_why="no loop device: $hang_loop"; return 1; }
		LOOPS="$LOOPS $hang_loop" ;;
	esac
	"hang_prepare_$1"
}

hang_prepare_filesystem() {
	command -v fsfreeze >/dev/null || { hang_why='needs fsfreeze (package util-linux)'; return 1; }
	mkfs.ext4 -q "$hang_loop"
	mkdir "$W/mnt"
	mount "$hang_loop" "$W/mnt" 2>/dev/null || { hang_why='cannot mount'; return 1; }
	hang_target=$(disk mnt/image 16M)
	hang() { fsfreeze -f "$W/mnt"; }
	resume() { fsfreeze -u "$W/mnt" 2>/dev/null || :; }
	hang_remove() { umount "$W/mnt" || umount -l "$W/mnt"; }
}

hang_prepare_device() {
	command -v dmsetup >/dev/null || { hang_why='needs dmsetup (package dmsetup)'; return 1; }
	hang_name=xmd-$$
	dmsetup create $hang_name --table "0 $(blockdev --getsz "$hang_loop") linear $hang_loop 0" \
		2>"$W/dm" || { hang_why="no device mapper: $(cat "$W/dm")"; return 1; }
	hang_target=/dev/mapper/$hang_name
	hang() { dmsetup suspend --nolockfs $hang_name; }
	resume() { dmsetup resume $hang_name; }
	hang_remove() { dmsetup remove --retry $hang_name; }
}

hang_prepare_helper() {
	hang_pid=
	hang_target=$(disk hang.base 16M)
	hang() { hang_pid=$(helper "$hang_guest") && kill -STOP "$hang_pid"; }
	resume() { [ -z "$hang_pid" ] || kill -CONT "$hang_pid" 2>/dev/null || :; hang_pid=; }
	hang_remove() { :; }
}

# hang_cleanup: in place of cleanup, so that nothing is left that hangs
hang_cleanup() {
	local code=$?
	set +e
	resume 2>/dev/null
	[ -z "$DAEMON" ] || kill -KILL "$DAEMON"
	for p in $PIDS; do kill -KILL "$p" 2>/dev/null; done
	wait
	hang_remove
	(exit $code)
	cleanup
}
