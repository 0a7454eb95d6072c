#!/bin/sh
# SPDX-License-Identifier: MIT
# Odd chains of transmit slots: each has its answer, its counter, and its price.
. "$(dirname "$0")/net_lib.sh"

net_scene
before=$(arrived)
offend net_chains
read -r arrive refused unfit <"$W/offender"
say "$arrive to arrive, $refused refused, $unfit unfit for an offload"
expect_row 1 refused "$refused"
expect_row 1 tx_frames $((arrive + unfit))
expect_row 1 tx_dropped_header "$unfit"
all_there() { [ $(($(arrived) - before)) = "$arrive" ]; }
within 5 all_there || fail "$(($(arrived) - before)) arrived"
expect_row 1 rings_broken 0
paid refused_cycles
paid tx_parse_cycles
net_undisturbed
finish
