#!/bin/sh
# SPDX-License-Identifier: MIT
# The daemon is killed at single stores of passing on one frame from a guest, and one to
# it. Slots are answered, no frame comes twice, those after it come, and the books balance.
# usage: net_stepped.sh [EVERY [SEED]]: stepped_lib.sh says what
. "$(dirname "$0")/netlib.sh"
. "$(dirname "$0")/stepped_lib.sh"

quiet
net_host
d=$(guest one)
vif_attach "$d"
one_begin "$d" "$ONE_VIF" "$BRIDGE"
within 10 forwards "$d" 0 || fail 'the bridge does not forward'
vif=/local/domain/$d/device/vif/0
tx=$(key "$vif/tx-ring-ref") rx=$(key "$vif/rx-ring-ref")
# One more each way shows that it goes on.
for kind in tx rx; do
	step_through $kind "$d" "$tx" "$rx"
	tell rx
	answered
	tell tx
	answered
done
stepped
expect_key "$(back "$d" 0)/state" 4
one_end
finish
