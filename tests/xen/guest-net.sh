# SPDX-License-Identifier: MIT
# The job of a guest with a network ($number says which): gives eth0 its addresses, then
# does what dom0 asks with `on` (net.sh), until it is destroyed.

# addresses INTERFACE NET: 10.0.NET.$number and fd0NET::$number
addresses() {
	until [ -e "/sys/class/net/$1" ]; do sleep 0.1; done
	echo 0 >"/proc/sys/net/ipv6/conf/$1/accept_dad"
	ip link set "$1" up
	ip address add "10.0.$2.$number/24" dev "$1"
	ip address add "fd0$2::$number/64" dev "$1"
}

# reach ADDRESS-WITH-OPTIONS: of a few pings one is answered, on a slow machine in a later try
reach() {
	for _ in 1 2 3 4 5; do ping -q -c 3 -i 0.2 -W 10 "$@" && return; done
	return 1
}

# transfer ADDRESS PORT: send /tmp/data to a sink
transfer() { nc -w 30 "$1" "$2" </tmp/data; }

# sink PORT: the checksum of what comes
sink() { nc -l -p "$1" <>/tmp/hold | md5sum | cut -d ' ' -f 1; }

ip link set lo up
mkfifo /tmp/hold
addresses eth0 0
iperf3 -s -D
dd if=/dev/urandom of=/tmp/data bs=64k count=8 2>/dev/null
done=0
tell answer "0 0 $(md5sum /tmp/data | cut -d ' ' -f 1)"
xenstore-watch control/xm-ask | while read -r _; do
	asked=$(xenstore-read -R control/xm-ask 2>/dev/null) || continue
	[ "${asked%% *}" != "$done" ] || continue
	done=${asked%% *}
	code=0
	text=$(eval "${asked#* }" 2>&1 </dev/null) || code=$?
	tell answer "$done $code $(echo "$text" | tail -c 1800)"
done
