#!/bin/sh
# SPDX-License-Identifier: MIT
# Closing is there to be read: firmware and crash kernels write 5 and want to read 5 in
# the backend before they write 6, however late they look. The backend once went to 6 by
# itself, and who was 1 ms late gave the device up: no root disk after OVMF.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
"$SIMXL" vif-attach "$d" 0 --set type=null

for delay in 0 1 30; do
	say "OVMF hands over to a kernel, $delay ms late"
	walk --delay $delay connect io 5 '!5' 6 '!6' 1 =2 connect io
	walk_vif --delay $delay connect io 5 '!5' 6 '!6' 1 =2 connect io
	say "a crash kernel finds what the crashed one left, $delay ms late"
	walk --delay $delay connect io 5 =5 6 =6 1 =2 connect io
done

say 'from InitWait, too'
walk 1 =2 5 '!5' 6 '!6' 1 =2
walk_vif 1 =2 5 '!5' 6 '!6' 1 =2

say 'a disk that has to be unmounted first is served until the frontend is Closed'
walk connect 5 =5 io 6 =6 1 =2

say 'after a failure, until the frontend has closed'
state "$d" back 6
xenstore-write "$(front "$d")/protocol" ppc64-abi "$(front "$d")/state" 3
expect_error "$d" 'protocol is not known'
expect_key "$(back "$d")/state" 5
walk --delay 30 5 '!5' 6 '!6' 1 =2
xenstore-rm "$(front "$d")/protocol"
walk connect io

say 'who starts over without closing is not waited for'
xenstore-write "$(front "$d")/state" 1
state "$d" back 2
xenstore-write "$(front "$d")/state" 5
state "$d" back 5
xenstore-write "$(front "$d")/state" 1
state "$d" back 2

say 'nor who was Closed for so short a time that nobody saw it: once it stayed at Closing'
"$SIMXL" vif-attach "$d" 1 --set type=null
walk 1 =2 connect io 5 =5 3 =4 io 5 =5 4 =4 io 5 =5 6 =6 1 =2
walk_vif --devid 1 connect io 5 =5 3 =4 5 =5 4 =4 5 =5 6 =6 1 =2

say 'nor who is being taken away'
xenstore-write "$(front "$d")/state" 5
state "$d" back 5
"$SIMXL" block-detach "$d" xvda || fail 'it does not go away'
attach "$d" xvda "$W/a"
state "$d" back 2
xenstore-write "$(front "$d")/state" 5
state "$d" back 5
"$SIMXL" destroy "$d" || fail 'the dead guest is waited for'
finish
