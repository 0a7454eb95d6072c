#!/bin/sh
# SPDX-License-Identifier: MIT
# What netload says of frames between two guests is what they are: every frame arrives
# once and unchanged, whatever its cut, checksum, segmentation, queue and hash.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
a=$(guest one); b=$(guest two)
vif_attach "$a"; vif_attach "$b"
to=00:16:3e:00:0$b:00

# listen MODE [OPTION...]: guest two, until it has what it waits for or is told to end;
# where a frame is lost, it ends when no more come, and says so
listen() {
	netload_bg "$W/two.out" "$b" "$@" --idle 20 --json
	netload_ready "$b"
}
listened() { end "$BG"; }
# send OPTION...: guest one, to guest two
send() {
	local two=$BG
	netload_send "$W/one.out" "$a" --dst "$to" --rate 4000 "$@"
	BG=$two
}
# arrived N: so many, and nothing else
arrived() {
	expect_json "$W/two.out" ".protocol_violations == 0 and .rx.frames == $1 and
		.verify.good == $1 and .verify.bad == 0 and .verify.lost == 0 and
		.verify.csum_bad == 0 and .rx.thrown == 0 and .rx.error == 0"
	expect_json "$W/one.out" ".protocol_violations == 0 and .tx.frames == $1 and
		.tx.okay == $1 and .unanswered == 0"
}

say 'small frames'
listen sink -n 500; send -n 500; ended "$BG"; arrived 500
expect_json "$W/two.out" '.rx.bytes == 30000'

say 'cut in 18, checksum left blank'
listen sink -n 300 --poison
send -n 300 --udp --size 1514 --csum blank --slots 18 --page-offset 100
ended "$BG"; arrived 300
expect_json "$W/one.out" '.tx.slots == 5400'
expect_json "$W/two.out" '.rx.csum_blank == 300'

say 'the same for a guest that takes no blank checksum'
listen sink -n 300 --no-csum --no-sg --no-split
send -n 300 --udp --size 1514 --csum blank
ended "$BG"; arrived 300
expect_json "$W/two.out" '.verify.csum_good == 300 and .rx.csum_blank == 0'

say '64 KiB of segments'
listen sink -n 100 --poison
send -n 100 --tcp --size 65000 --gso 1446 --csum blank --rate 500
ended "$BG"; arrived 100
expect_json "$W/two.out" '.rx.gso == 100 and .rx.bytes == 6500000 and .rx.slots >= 1600'

say 'there and back, over two queues that the hash chooses'
listen echo --queues 2
send -n 400 --udp --size 600 --flows 16 --queues 2 --linger 5 --hash toeplitz \
	--hash-mapping 0,1,1,0
listened; arrived 400
expect_json "$W/one.out" '.rx.frames == 400 and .verify.good == 400 and
	.verify.hash_good == 400 and .verify.hash_queue_bad == 0 and .hash.supported == 15'

say 'the multicast filter'
listen sink --multicast-control --multicast-add 33:33:00:00:00:09
send -n 20 --dst 33:33:00:00:00:08 --stream 2
send -n 20 --dst 33:33:00:00:00:09 --stream 3
listened; arrived 20

say 'a wrong checksum is noticed'
listen sink -n 10; send -n 10 --udp --csum bad; ended "$BG" 1
expect_json "$W/two.out" '.verify.csum_bad == 10 and .verify.good == 10'
finish
