# SPDX-License-Identifier: MIT
# A TCP connection whose data say what they are: for dom0, driver domains and guests.

# listens PORT-IN-HEX
listens() { cat /proc/net/tcp /proc/net/tcp6 | grep -q ":$1 .* 0A "; }

# feed: prints numbers, until there is /tmp/stop; the last one is in /tmp/fed then
feed() {
	local n=0
	rm -f /tmp/stop /tmp/fed
	until [ -e /tmp/stop ]; do
		seq $n $((n + 4999)) || return
		n=$((n + 5000))
		sleep 0.3
	done
	echo $((n - 1)) >/tmp/fed
}

# numbers PORT: takes them, until the connection ends; /tmp/took has the last one then, or
# where they were wrong
numbers() {
	rm -f /tmp/all /tmp/came /tmp/took
	[ -p /tmp/hold ] || mkfifo /tmp/hold
	mkfifo /tmp/all /tmp/came
	seq 0 99999999 >/tmp/all 2>/dev/null &
	tail -n 1 </tmp/came >/tmp/last &
	nc -l -p "$1" <>/tmp/hold | tee /tmp/came | cmp - /tmp/all >/tmp/differs 2>&1 || :
	wait
	grep -v EOF /tmp/differs >/tmp/took || mv /tmp/last /tmp/took
}
