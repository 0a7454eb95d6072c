#!/bin/sh
# SPDX-License-Identifier: MIT
# One event channel for both rings, or one for each; with feature-rx-notify and without.
# Arguments: options of both guests' netload.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
one=$(guest one); two=$(guest two)
vif_attach "$one"; vif_attach "$two"
netload_bg "$W/two.out" "$two" echo --json --time 300 "$@"
echo_pid=$BG
netload_ready "$two"
netload_send "$W/one.out" "$one" -n 5000 --rate 10000 --size 500 --linger 20 --window 100 --time 60 \
	--dst "00:16:3e:00:$(printf %02x "$two"):00" "$@"
end "$echo_pid"
expect_json "$W/one.out" '.rx.frames == 5000 and .verify.good == 5000 and .verify.bad == 0'
expect_json "$W/two.out" '.rx.frames == 5000 and .sent == 5000'
case " $* " in
*' --no-split '*) split=false ;;
*) split=true ;;
esac
expect_json "$W/two.out" ".negotiated.split_events == $split"
for d in "$one" "$two"; do
	expect_row "$d" tx_frames 5000
	expect_row "$d" rx_frames 5000
	expect_row "$d" tx_bytes 2500000
	expect_row "$d" rx_bytes 2500000
done
finish
