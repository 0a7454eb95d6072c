#!/bin/sh
# SPDX-License-Identifier: MIT
# Control messages that are refused, and a storm of them: answered, counted, paid for.
. "$(dirname "$0")/net_lib.sh"

net_scene
offend net_control
read -r sent <"$W/offender"
say "$sent messages"
expect_row 1 control_requests "$sent"
expect_row 1 tx_frames 1
expect_row 1 rings_broken 0
paid exact_parse
quiet_log 60
net_undisturbed
finish
