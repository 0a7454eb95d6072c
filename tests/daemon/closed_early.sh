#!/bin/sh
# SPDX-License-Identifier: MIT
# A frontend that writes Closed before it ever connected reads Closed in the backend, and
# may begin: iPXE resets each interface so.
. "$(dirname "$0")/lib.sh"

host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
"$SIMXL" vif-attach "$d" 0 --set type=null
state "$d" back 2

say 'at InitWait'
walk 6 =6 1 =2 6 =6 1 =2 connect io
walk_vif 6 =6 1 =2 6 =6 1 =2 connect io

say 'before the backend has looked at it'
o=$(guest other)
attach "$o" xvda "$(disk b 16M)" --set state=3
xenstore-write "$(front "$o")/state" 6 "$(back "$o")/state" 1
d=$o
walk =6 1 =2 connect io

say 'one that is Connected when we look again has begun anew, with what it has'
xenstore-write "$(front "$d")/state" 4
expect_error "$d" 'cannot map' # the rings of the connection before

say 'but not one that has never closed: its rings are stale'
xenstore-write "$(front "$d")/state" 6
state "$d" back 6
daemon_stop
xenstore-write "$(front "$d")/state" 4
daemon_start
attach "$d" xvdb "$(disk c 16M)"
state "$d" back 2 51728
expect_key "$(back "$d")/state" 6
walk 5 =5 6 =6 1 =2 connect io
finish
