#!/bin/sh
# SPDX-License-Identifier: MIT
# Ten thousand small requests over HTTP, each on a connection of its own, from one guest to
# the web server in another.
. "$(dirname "$0")/netlib.sh"

need ab apache2-utils
need busybox busybox-static
net_host
net_guest server; server=$D
net_guest client; client=$D
mkdir "$W/www"
head -c 300 /dev/urandom >"$W/www/small"
in_guest_bg "$server" busybox httpd -f -p 80 -h "$W/www"
listens() { in_guest "$server" ss -ltn 'sport = 80' | grep -q LISTEN; }
within 10 listens || fail 'no server'
in_guest "$client" ab -q -n 10000 -c 8 "http://10.77.0.$server/small" >"$W/ab" 2>&1 ||
	{ cat "$W/ab"; fail ab; }
grep -E '^(Complete requests|Failed requests|HTML transferred|Requests per second)' "$W/ab"
grep -q '^Complete requests: *10000$' "$W/ab" || fail 'not all'
grep -q '^Failed requests: *0$' "$W/ab" || fail 'some failed'
grep -q '^HTML transferred: *3000000 bytes$' "$W/ab" || fail 'not all bytes'
for d in "$server" "$client"; do
	net_down "$d"
	clean "$d"
	expect_row "$d" tx_frames "$(get "$W/xm$d.out" .tx.frames)"
	expect_row "$d" rx_frames "$(get "$W/xm$d.out" .rx.frames)"
done
finish
