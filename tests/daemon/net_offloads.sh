#!/bin/sh
# SPDX-License-Identifier: MIT
# What a guest does not offload is done by the host, and arrives. Files over HTTP, from
# host to guest and back. Arguments: IP version, options of netload (`-` for none), what its
# report has to say.
. "$(dirname "$0")/netlib.sh"

need curl curl
need busybox busybox-static
VERSION=$1; TRUE=$3
[ "$2" = - ] && OPTIONS= || OPTIONS=$2
net_host
# shellcheck disable=SC2086
net_guest one $OPTIONS

[ "$VERSION" = 4 ] && host="$HOST4" guest="10.77.0.$D" || host="[$HOST6]" guest="[fd77::$D]"
head -c 20000000 /dev/urandom >"$W/file"
busybox httpd -f -p 80 -h "$W" &
PIDS="$PIDS $!"
in_guest_bg "$D" busybox httpd -f -p 80 -h "$W"
# fetch URL [COMMAND...]
fetch() {
	local url=$1; shift
	"$@" curl -sS -g --retry 20 --retry-connrefused --retry-delay 1 -m 60 \
		-o "$W/copy" "$url/file" || fail "no $url"
	cmp "$W/file" "$W/copy" || fail "$url: not the same"
}
say 'host to guest'
fetch "http://$host" in_guest "$D"
say 'guest to host'
fetch "http://$guest"
net_down "$D"
clean "$D"
expect_json "$W/xm$D.out" "$TRUE"
expect_row "$D" tx_gso_frames "$(get "$W/xm$D.out" .tx.gso)"
expect_row "$D" rx_gso_frames "$(get "$W/xm$D.out" .rx.gso)"
finish
