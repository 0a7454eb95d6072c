#!/bin/sh
# SPDX-License-Identifier: MIT
# An interface has its device's `handle` in its name, or the device's number if that is no
# handle. A name that is too long for Linux is refused, and not cut to that of another.
. "$(dirname "$0")/netlib.sh"

quiet
net_host
one=$(guest one)
attach_vif() { "$SIMXL" vif-attach "$one" "$@" --bridge "$BRIDGE"; }

say 'a handle'
attach_vif 0 --set handle=7
within 10 has_link "vif$one.7" || fail 'no interface with its name'
no_link "vif$one.0" || fail 'it has the number, too'

say 'no number'
attach_vif 2 --set handle=x
within 10 has_link "vif$one.2" || fail 'no interface with the number'

say 'too long for a name'
o=$(guest other --domid 100)
"$SIMXL" vif-attach "$o" 0 --bridge "$BRIDGE" --set handle=4294967295
expect_error "$o" 'vif100.4294967295: no name for an interface' 0
netload "$one" generate --json -n 10 >/dev/null || fail 'the first is not served'
"$SIMXL" vif-detach "$one" 0
within 10 no_link "vif$one.7" || fail 'the interface is left'
finish
