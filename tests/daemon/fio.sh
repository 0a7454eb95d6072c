#!/bin/sh
# SPDX-License-Identifier: MIT
# A program that knows nothing of us checks the data: fio, through an nbdkit that is the
# guest.
. "$(dirname "$0")/lib.sh"

need fio fio
fio --enghelp 2>/dev/null | grep -q nbd || skip 'this fio has no nbd engine'
host --workers 2
d=$(guest one)
attach "$d" xvda "$(disk a 32M)"
plugin "$d" 'devid=51712 queues=2 indirect=64' 'fio --name=v --ioengine=nbd --uri="$uri" \
	--rw=randrw --bs=4k --iodepth=16 --size=12m --verify=crc32c --verify_fatal=1 \
	--output-format=terse' >"$W/fio.out" 2>&1 || { cat "$W/fio.out"; fail 'fio'; }
! grep -i violation "$W/fio.out" || fail 'the frontend complains'
state "$d" front 6
[ "$(row "$d" write_bytes)" -gt 1000000 ] || fail 'that did not go through us'
finish
