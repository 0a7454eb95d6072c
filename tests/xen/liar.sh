# SPDX-License-Identifier: MIT
# For scenarios of guests that break the rules; sourced in dom0.

# liar LINE-OF-CONFIG STORM <LIES: the guest `liar` runs one after the other the programs of
# tests/hostile that are named, a line with arguments each, and STORM, without end, when it
# receives `go`. Each ends well if it had the defined answers.
liar() {
	RAMDISK=lies guest liar "$1" < <(
		echo 'while read -r name words; do
			echo "$(cut -d " " -f 1 /proc/uptime) $name $words"
			timeout 200 /lies/$name $words >/tmp/out 2>&1 || {
				tell failed "$name $words: $(tail -c 500 /tmp/out)"
				tell told 1
				exit 1
			}
			tell done "$name $words: $(tail -c 100 /tmp/out)"
		done <<LIES'
		cat
		printf 'LIES\ntell told 1\nreceive go >/dev/null\n/lies/%s\n' "$2"
	)
}

of_liar() { xenstore-read "/local/domain/$(domid liar)/data/$1" 2>/dev/null; }

# all_told SECONDS: wait until all has been told, well
all_told() {
	await_key "/local/domain/$(domid liar)/data/told" "$1" || fail "no further than $(of_liar 'done')"
	of_liar told >/dev/null && ! of_liar failed || fail 'a lie had another answer'
	xenmeter dump --all --device
}

# vanish: it is destroyed in the midst of its storm
vanish() {
	local before
	before=$(counter liar events)
	send liar go 1
	storms() { [ "$(counter liar events)" -gt $((before + 60)) ]; }
	within 120 storms || fail 'no storm'
	destroy liar
	expect_json '[.rows[] | select(.name == "liar" and .state == "live")] | length == 0'
}

dmesg >/tmp/dmesg.before
# kernel_is_calm: dom0's has said nothing of it since
kernel_is_calm() {
	! dmesg | diff /tmp/dmesg.before - | grep -iE 'xen|bug|warn|oops|call trace' |
		grep -v 'd.v\|vif' || fail "dom0's kernel complains"
}
