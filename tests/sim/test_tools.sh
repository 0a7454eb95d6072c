#!/bin/sh
# SPDX-License-Identifier: MIT
# simxl's commands and the stock xenstore tools.
set -eu
[ -n "${SIMXL:-}" ] || exit 77
command -v xenstore-ls >/dev/null || { echo 'needs xenstore-utils'; exit 77; }

XENSIM_DIR=$(mktemp -d /tmp/simtest.XXXXXX)
export XENSIM_DIR
export XENSTORED_PATH=$XENSIM_DIR/xenstored.0
trap '"$SIMXL" down >/dev/null 2>&1 || rm -rf "$XENSIM_DIR"' EXIT

die() { echo "$2" >&2; exit 1; }
# code N COMMAND...: it ends with this exit code
code() {
	want=$1; shift
	got=0; "$@" >/dev/null 2>&1 || got=$?
	[ "$got" = "$want" ] || die 0 "exit code $got instead of $want: $*"
}
# node PATH VALUE
node() { [ "$(xenstore-read "$1")" = "$2" ] || die 0 "$1 is not $2"; }

code 1 "$SIMXL" list
touch "$XENSIM_DIR/occupied"
code 1 "$SIMXL" up
rm "$XENSIM_DIR/occupied"
"$SIMXL" up
code 1 "$SIMXL" up
node /local/domain/0/domid 0
node domid 0

[ "$("$SIMXL" create web)" = 1 ]
[ "$("$SIMXL" create db --domid 9)" = 9 ]
[ "$("$SIMXL" create dd --driver-domain)" = 10 ]
code 1 "$SIMXL" create web
code 1 "$SIMXL" create web2 --domid 9
code 2 "$SIMXL" create
code 2 "$SIMXL" nonsense
node "$(xenstore-read /local/domain/9/vm)/name" db

"$SIMXL" block-attach web xvda /srv/a --set params=/srv/b --set feature-x=1
"$SIMXL" block-attach web 51728 /srv/c --mode r --kind vbd3 --backend dd --type cdrom
"$SIMXL" vif-attach web 0
"$SIMXL" vif-attach web 1 --no-script --mac 00:16:3e:00:00:07 --mtu 9000 --set rate=1250000,50000
code 1 "$SIMXL" block-attach web xvda /srv/a
code 1 "$SIMXL" block-attach nobody xvda /srv/a
code 2 "$SIMXL" block-attach web sdq /srv/a
code 2 "$SIMXL" block-attach web xvdc /srv/a --mode rw
b=/local/domain/0/backend/vbd/1/51712
f=/local/domain/1/device/vbd/51712
node $b/frontend $f
node $f/backend $b
node $b/params /srv/b
node $b/feature-x 1
node $b/hotplug-status connected
node /local/domain/10/backend/vbd3/1/51728/removable 1
v=/local/domain/0/backend/vif/1
node $v/0/handle 0
node $v/0/hotplug-status connected
code 1 xenstore-read $v/0/mtu
node $v/1/hotplug-status ''
node $v/1/mac 00:16:3e:00:00:07
node $v/1/rate 1250000,50000
node $v/1/mtu 9000
node $v/1/type vif
n=/local/domain/1/device/vif/1
node $n/handle 1
node $n/mac 00:16:3e:00:00:07
node $n/mtu 9000
code 1 "$SIMXL" run web xenstore-write $n/mtu 1500
xenstore-ls -fp $b | grep -q "state = \"1\"   (n0,r1)" || die 0 'permissions of the backend'
xenstore-ls -fp $f | grep -q "state = \"1\"   (n1,r0)" || die 0 'permissions of the frontend'

# A driver domain sees its own directory, the guest its own.
"$SIMXL" run dd xenstore-ls backend | grep -q 51728
"$SIMXL" run web xenstore-write device/vbd/51712/state 4
code 1 "$SIMXL" run db xenstore-read $f/state
"$SIMXL" wait-state web xvda front 4 1
code 1 "$SIMXL" wait-state web xvda back 4 0.1
code 0 "$SIMXL" wait-state web vif:0 back 1 0
code 2 "$SIMXL" wait-state web xvda side 4
[ "$("$SIMXL" run db sh -c 'echo $XENSIM_DOMID')" = 9 ]
[ "$(eval "$("$SIMXL" env db)"; xenstore-read name)" = db ]

# What a backend would do, with stock tools.
xenstore-chmod $f/state n1 r0 r9
"$SIMXL" run db xenstore-read $f/state >/dev/null
(timeout 5 xenstore-watch -n 2 $b/state >/dev/null; xenstore-write $b/state 6) &
sleep 0.1
"$SIMXL" block-detach web xvda
wait
code 1 xenstore-read $b
code 1 xenstore-read $f
code 1 "$SIMXL" block-detach web xvda

xenstore-write /local/domain/10/backend/vbd3/1/51728/state 6 \
	/local/domain/0/backend/vif/1/0/state 6 /local/domain/0/backend/vif/1/1/state 6
"$SIMXL" destroy web
code 1 xenstore-read /local/domain/1
code 1 xenstore-read /libxl/1
code 1 "$SIMXL" destroy web
code 1 "$SIMXL" destroy 0
"$SIMXL" list | grep -q 'dd *live'
"$SIMXL" kill db
"$SIMXL" list | grep -q 'db *dead'
"$SIMXL" destroy db
code 1 "$SIMXL" fault copy 1 1 -1
code 2 "$SIMXL" fault copy dd 0 -1
"$SIMXL" fault clear 10
"$SIMXL" down
[ ! -e "$XENSIM_DIR" ] || die 0 'the directory is still there'
