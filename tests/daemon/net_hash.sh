#!/bin/sh
# SPDX-License-Identifier: MIT
# A Toeplitz hash set up over the control ring: each frame carries its hash, and comes on
# the queue that the guest's mapping names. UDP has no hash of its own in netif: addresses alone
# are hashed. Arguments: which queues get frames, options of the generator.
. "$(dirname "$0")/netlib.sh"

QUEUES=$1; shift
quiet
net_host --workers=2
one=$(guest one); two=$(guest two)
vif_attach "$one"; vif_attach "$two"
netload_bg "$W/two.out" "$two" sink --json --queues 4 --poison --time 300 \
	--hash toeplitz --hash-mapping 3,3,1,0,3,3,1,0
sink=$BG
netload_ready "$two"
set_up() { [ "$(row "$two" control_requests)" -ge 7 ]; }
within 10 set_up || fail "no hash: $(row "$two" control_requests)"
netload_send "$W/one.out" "$one" -n 2000 --rate 1500 --flows 200 --size 300 \
	--dst "00:16:3e:00:$(printf %02x "$two"):00" "$@"
came() { [ "$(row "$two" rx_frames)" = 2000 ]; }
within 10 came || fail "$(row "$two" rx_frames) of 2000 frames came"
# The next daemon does not ask the guest for it again.
net_killed "$two"
netload_send "$W/one.out" "$one" -n 500 --rate 1500 --flows 200 --size 300 \
	--dst "00:16:3e:00:$(printf %02x "$two"):00" "$@"
came() { [ "$(row "$two" rx_frames)" = 2500 ]; }
within 10 came || fail "$(row "$two" rx_frames) of 2500 frames came"
end "$sink"
expect_json "$W/two.out" '.hash | .algorithm == 0 and .flags == 0 and .key == 0 and
	.mapping_size == 0 and .mapping == 0 and .supported == 15 and .max_mapping == 128'
expect_json "$W/two.out" '.verify | .good == 2500 and .bad == 0 and .hash_good == 2500 and
	.hash_bad == 0 and .hash_absent == 0 and .hash_queue_bad == 0'
expect_json "$W/two.out" ".rx.hash == 2500 and
	(.queues | map(.rx_frames > 0)) == $QUEUES"
dump >"$W/dump"
expect_json "$W/dump" "[.rows[] | select(.domid == $two and .queue != null)] | sort_by(.queue) |
	map(.counters.rx_frames > 0) == $QUEUES"
finish
