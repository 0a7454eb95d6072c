#!/bin/sh
# SPDX-License-Identifier: MIT
# feature-persistent is offered only while there are persistent grants to be had: eight
# queues take all that a guest may have, and its next disk has none to offer until they
# are returned.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda null:16M
state "$d" back 2
expect_key "$(back "$d")/feature-persistent" 1
load_bg "$W/hold.out" "$d" --persistent --queues 8 --hold 60
state "$d" back 4

say 'none are left'
attach "$d" xvdb null:16M
state "$d" back 2 51728
expect_key "$(back "$d" 51728)/feature-persistent" 0
load "$d" --devid xvdb --persistent --number 100
other=$(guest two)
attach "$other" xvda null:16M
state "$other" back 2
expect_key "$(back "$other")/feature-persistent" 1

say 'they are returned'
end "$BG"
state "$d" back 6
attach "$d" xvdc null:16M
state "$d" back 2 51744
expect_key "$(back "$d" 51744)/feature-persistent" 1
finish
