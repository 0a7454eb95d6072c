# SPDX-License-Identifier: MIT
# How guests and driver domains speak with dom0: through their directories in the store.

# tell KEY VALUE: dom0 reads it with `told`
tell() { xenstore-write "data/$1" "$2"; }

# receive KEY: waits for what dom0 sends; prints it
receive() {
	until xenstore-read -R "control/xm-$1" 2>/dev/null; do
		timeout 3 xenstore-watch -n 2 "control/xm-$1" >/dev/null 2>&1 || :
	done
}
