#!/bin/bash
# SPDX-License-Identifier: MIT
# On a new Debian that has nothing but what we ask for: debootstrap makes it
# (--variant=minbase) from this machine's own package sources.
#
#	readme  README's installation on a Xen host, to the letter: the packages, which are
#	        then tested, upgraded, removed and purged
#	xen     what tests/xen/run installs in dom0, with what it asks for to build it
#	demo    tools/demo.sh, with what it asks for
#
#	minbase.sh SOURCE-DIR 'PART...'...
#
# Each argument has a Debian of its own, beside the others, in which its parts run one after
# the other. A part proves as much as alone if it installs all that those before it have
# installed: packages stay, what we have built and installed does not.
set -u
source=$1

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }
say() { echo "-- $*"; }

: "${2:?which parts?}"
[ "$(id -u)" = 0 ] || skip 'needs root for debootstrap'
# shellcheck source=tools/new_root.sh
. "$source/tools/new_root.sh"
why=$(in_namespaces true 2>&1) || skip "no namespaces: $why"
in_namespaces "$0" "$@"

# It takes what the tests beside it leave of the CPUs. (They are sessions, as it is; each may
# be scheduled as one.)
renice -n 19 $$ >/dev/null
echo 19 2>/dev/null >/proc/self/autogroup

dir=$(mktemp -d /var/tmp/xenmeter-minbase.XXXXXX) || exit 1
trap 'umount -R "$dir"/* 2>/dev/null; rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$dir"
why=$(base_root "$dir/new") || skip "$why"
say "debootstrap ($SECONDS s)"

# try NAME COMMAND...: in the new Debian; the log if it fails
try() {
	local name=$1 began=$SECONDS
	shift
	in_root "$root" "$@" >"$log" 2>&1 </dev/null || {
		tail -n 40 "$log"
		fail "$name"
	}
	say "$name ($((SECONDS - began)) s)"
}

# readme_commands: those that install, of the section on a Xen host
readme_commands() {
	sed -n '/^## On a Xen host/,/^## /p' "$source/README.md" |
		sed -n '/^```sh/,/^```/{/^```/!p}' | sed '/^apt install/q'
}

# Where it is built only to see that it can be: without the optimizer, half the time.
fast='CFLAGS=-O0 -g0'

# The shell's functions that its scripts build with.
ours='me=minbase here=tests/xen; . tools/setup.sh; . tests/xen/images.sh'

versions() { # PART
	try "$1: xenmeter --version" xenmeter --version
	try "$1: xenmeterd --version" xenmeterd --version
}

# Nothing of them is left, and nothing while a guest has a device.
packages_removed() {
	# shellcheck disable=SC2016
	try 'packages: remove' sh -euc 'mkdir -p /run/xenmeter; cd /run/xenmeter
		touch table.journal.vbd-1-51712-0
		! apt-get remove "*xenmeter*" || exit 1
		rm -r /run/xenmeter
		apt-get remove "*xenmeter*"
		! command -v xenmeterd && test -e /etc/modprobe.d/xenmeterd.conf'
	# shellcheck disable=SC2016
	try 'packages: purge' sh -euc 'apt-get purge "*xenmeter*"
		left=$(find / -xdev -path /root -prune -o -name "*xenmeter*" -print)
		test -z "$left" || { echo "left: $left"; exit 1; }'
}

run_part() { # PART
	case $1 in
	readme)
		readme_commands >"$root/root/commands"
		grep -q '^tools/package.sh' "$root/root/commands" &&
			grep -q '^apt install' "$root/root/commands" ||
			fail "README's section 'On a Xen host' has no installation"
		# Clang and the optimizer would be half of the time.
		try "README's installation" env DEB_BUILD_PROFILES=nobpf \
			DEB_BUILD_OPTIONS=noopt sh -euxc '. /root/commands'
		versions readme
		try 'packages: their own test' tools/debian/tests/installed
		try 'packages: upgrade' sh -euc 'dpkg -i build/packages/*.deb'
		packages_removed
		;;
	xen)
		try 'what tests/xen/run installs' env "$fast" bash -euc "$ours"'
			install_packages $build_packages
			own_build && meson install -C "$binaries" --no-rebuild'
		versions xen
		try 'xen: uninstall' bash -euc "$ours"'
			ninja -C "$binaries" uninstall && ! command -v xenmeterd'
		;;
	demo)
		try tools/demo.sh env "$fast" tools/demo.sh
		tail -n 1 "$log"
		;;
	*) fail "no part '$1'" ;;
	esac
}

run_parts() { # 'PART...'
	local part
	root=$dir/${1// /-}
	log=$root.log
	new_root "$dir/new" "$root" "$source"
	try "$1: package lists" apt-get update -q
	for part in $1; do run_part "$part"; done
}

running=()
for parts in "${@:2}"; do
	run_parts "$parts" &
	running+=($!)
done
code=0
for one in "${running[@]}"; do wait "$one" || code=1; done
exit $code
