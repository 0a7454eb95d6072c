#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed at random moments, under frames in all directions: numbered UDP
# frames from one guest to another, of which some may be lost and none may come twice, and
# files by TCP between two others, whose sums are right. Rings, TAPs and states stay.
#
# Slots are answered a moment after they are taken, so few kills meet some: those are
# counted here, and each single store is tested by net_killed.
# Without systemd, which keeps the TAPs' descriptors, an interface has no carrier between two
# daemons, and what is sent to it meanwhile is lost. So at each kill may be lost: what the
# TAP of the receiver had queued, what the daemon had read from it, the batch from the sender
# that was answered and not written yet, and what the next daemon takes from the sender until
# the bridge forwards to the receiver again. The last is counted, the others have limits.
# usage: net_kills.sh [KILLS [SEED]]
. "$(dirname "$0")/netlib.sh"

need busybox busybox-static; need curl curl
kills=${1:-12}
seed=${2:-$(date +%s)}
say "$kills kills, seed $seed"
quiet
net_host
from=$(guest from); to=$(guest to)
vif_attach "$from"; vif_attach "$to"
netload_bg "$W/to.out" "$to" sink --json --time 36000; sink=$BG
netload_ready "$to"
netload_start "$W/from.out" "$from" --time 36000 --udp --size 1000 --rate 8000 \
	--dst "00:16:3e:00:$(printf %02x "$to"):00"; source=$BG
net_guest server --queues 2; server=$D
net_guest client --queues 2; client=$D
guests="$from $to $server $client"

mkdir "$W/www"
head -c 3000000 /dev/urandom >"$W/www/file"
sum=$(sha256sum <"$W/www/file")
in_guest_bg "$server" busybox httpd -f -p 80 -h "$W/www"
listens() { in_guest "$server" ss -ltn 'sport = 80' | grep -q LISTEN; }
within 10 listens || fail 'no server'
# Files one after the other; a line for each. One that is wrong is kept. A connection may
# come to nothing if each try to send again falls between two daemons; what has come of it
# has to be right.
cat >"$W/download" <<END
trap 'exit 0' TERM
while [ ! -e $W/enough ]; do
	: >$W/got
	code=0; curl -sf -m 900 -o $W/got http://10.77.0.$server/file || code=\$?
	case \$code in
	0) what=right; [ "\$(sha256sum <$W/got)" = "$sum" ] || what=wrong ;;
	28) what=late; cmp -s -n \$(stat -c %s $W/got) $W/got $W/www/file || what=wrong ;;
	*) what="failed, curl \$code" ;;
	esac
	[ "\$what" != wrong ] || cp $W/got $W/wrong
	echo "\$what" >>$W/sums
done
END
: >"$W/sums"
in_guest_bg "$client" sh "$W/download"; download=$BG

n=0 slots=0 met=0 unseen=0
# Limits: LIMIT_RX_FRAMES and FRAMES_MAX of the daemon, and the queue of the TAP.
most_each=$((32 + 64 + $(cat "/sys/class/net/vif$to.0/tx_queue_len")))
going() { [ "$(row "$to" rx_frames)" -gt 0 ] && [ "$(row "$client" rx_frames)" -gt 0 ]; }
within 20 going || fail 'no frames'
index() { for d in $guests; do cat "/sys/class/net/vif$d.0/ifindex"; done; }
taps=$(index)
pause() {
	awk -v s="$seed" -v n="$n" 'BEGIN { srand(s + n); printf "%.3f\n", 0.02 + rand() / 4 }'
}
resumed() { [ "$(grep -c 'goes on where the last daemon ended' "$LOG")" -ge $((4 * n)) ]; }
while [ $n -lt "$kills" ]; do
	n=$((n + 1))
	sleep "$(pause)"
	daemon_kill
	sent=$(row "$from" tx_frames)
	# shellcheck disable=SC2046
	set -- $("$LEFT" "$TABLE")
	[ "$1" = 6 ] || fail "kill $n: $1 journals, not 6"
	[ "$2" = 0 ] || met=$((met + 1))
	slots=$((slots + $2))
	daemon_start
	within 30 resumed || fail "kill $n: not all vifs go on"
	within 30 forwards "$to" 0 || fail "kill $n: the bridge does not forward"
	unseen=$((unseen + $(row "$from" tx_frames) - sent))
done
[ "$(index)" = "$taps" ] || fail 'other TAPs'
for d in $guests; do
	expect_key "$(back "$d" 0)/state" 4
	expect_key "/local/domain/$d/device/vif/0/state" 4
done
grep -q 'a daemon that is gone' "$LOG" && fail 'a device was closed'

# One more file, from its first byte, and one more frame.
done_before=$(grep -c right "$W/sums" || :)
more() { [ "$(grep -c right "$W/sums")" -gt $((done_before + 1)) ]; }
within 200 more || fail "no file any more after $done_before"
: >"$W/enough"
ended "$download"
! grep -vqx 'right\|late' "$W/sums" || {
	sort "$W/sums" | uniq -c
	[ ! -e "$W/wrong" ] || cmp -l "$W/wrong" "$W/www/file" | head -n 20
	fail 'a wrong file'
}
end "$source"
sleep 0.1
end "$sink"
lost=$(get "$W/to.out" .verify.lost) good=$(get "$W/to.out" .verify.good)
say "$(grep -c right "$W/sums") files, each right, $(grep -c late "$W/sums") that timed out;" \
	"$good frames came, $lost were lost," \
	"$(get "$W/to.out" .verify.late) came late or twice; at most $((kills * most_each)) on their" \
	"way, and $unseen sent without a carrier, could be lost"
say "kills with slots taken: $met; slots answered or posted again: $slots"
expect_json "$W/to.out" '.verify.bad == 0 and .verify.late == 0 and .protocol_violations == 0'
expect_json "$W/from.out" '.protocol_violations == 0 and .tx.error == 0'
[ "$good" -gt 0 ] || fail 'no frame came'
[ "$lost" -le $((kills * most_each + unseen)) ] || fail 'more frames are lost than were on their way'
for d in "$server" "$client"; do
	net_down "$d"
	expect_json "$W/xm$d.out" '.protocol_violations == 0 and .verify.csum_bad == 0'
done
finish
