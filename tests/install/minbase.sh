#!/bin/bash
# SPDX-License-Identifier: MIT
# On a new Debian that has nothing but what we ask for: debootstrap makes it
# (--variant=minbase) from this machine's own package sources.
#
#	readme  README's installation on a Xen host, to the letter
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
command -v debootstrap >/dev/null || skip 'needs debootstrap (package debootstrap)'
command -v apt-get >/dev/null || skip 'needs a Debian with package sources'
# shellcheck disable=SC1091
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

# All mounts go when this script's last process does.
if [ -z "${MINBASE_INSIDE:-}" ]; then
	why=$(unshare --mount --pid --fork true 2>&1) || skip "no namespaces: $why"
	MINBASE_INSIDE=yes exec unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@"
fi

# sources: SITE CODENAME of what this machine has from Debian
sources() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
		'Created-By: Packages' | sed -n 's/ main Debian$//p' | sort -u
}

site=$(sources | sed -n "s/ $codename\$//p" | head -n 1)
[ -n "$site" ] || skip "this machine has no package lists of Debian $codename"

dir=$(mktemp -d /var/tmp/xenmeter-minbase.XXXXXX) || exit 1
trap 'umount -R "$dir"/* 2>/dev/null; rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$dir"
debootstrap --variant=minbase "$codename" "$dir/new" "$site" >"$dir/log" 2>&1 ||
	skip "debootstrap cannot work here: $(tail -n 1 "$dir/log")"
say "debootstrap ($SECONDS s)"

new_root() { # NAME
	root=$dir/${1// /-}
	log=$root.log
	cp -a "$dir/new" "$root"
	mount --bind "$root" "$root" # `ip netns exec` wants / to be a mount point
	mount -t proc proc "$root/proc"
	mount --rbind /sys "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/run"
	sources | sed 's/^/deb /; s/$/ main/' >"$root/etc/apt/sources.list"
	{
		apt-config dump Acquire
		echo 'APT::Get::Assume-Yes "true";'
		echo 'APT::Install-Recommends "false";'
	} >"$root/etc/apt/apt.conf.d/90minbase"
	cp -L /etc/resolv.conf "$root/etc/" 2>/dev/null
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no service starts
	chmod 755 "$root/usr/sbin/policy-rc.d"
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/minbase" # no power fails here
	mkdir "$root/root/xenmeter"
	(cd "$source" && files | tar --null -T - -c) | tar -C "$root/root/xenmeter" -x
}

# files: what belongs to the source, NUL between them
files() {
	git -c safe.directory='*' ls-files -z 2>/dev/null ||
		find . -path './build*' -prune -o -type f -print0
}

# in_root NAME COMMAND...: in the new Debian, within the source; the log if it fails
in_root() {
	local name=$1 began=$SECONDS
	shift
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
		DEBIAN_FRONTEND=noninteractive DEMO_SECONDS=3 ${http_proxy:+http_proxy="$http_proxy"} \
		chroot "$root" sh -c 'cd /root/xenmeter && "$@"' sh "$@" >"$log" 2>&1 </dev/null || {
		tail -n 40 "$log"
		fail "$name"
	}
	say "$name ($((SECONDS - began)) s)"
}

# readme_commands: those that install, of the section on a Xen host
readme_commands() {
	sed -n '/^## On a Xen host/,/^## /p' "$source/README.md" |
		sed -n '/^```sh/,/^```/{/^```/!p}' | sed '/^meson setup/q'
}

# The shell's functions that its scripts build with.
ours='me=minbase here=tests/xen; . tools/setup.sh; . tests/xen/images.sh'

versions() { # PART
	in_root "$1: xenmeter --version" xenmeter --version
	in_root "$1: xenmeterd --version" xenmeterd --version
}

run_part() { # PART
	case $1 in
	readme)
		readme_commands >"$root/root/commands"
		grep -q '^apt install' "$root/root/commands" &&
			grep -q '^meson setup' "$root/root/commands" ||
			fail "README's section 'On a Xen host' has no installation"
		in_root "README's installation" sh -euxc '. /root/commands'
		versions readme
		;;
	xen)
		in_root 'what tests/xen/run installs' bash -euc "$ours"'
			install_packages $build_packages
			own_build && meson install -C "$binaries" --no-rebuild'
		versions xen
		in_root 'xen: uninstall' bash -euc "$ours"'
			ninja -C "$binaries" uninstall && ! command -v xenmeterd'
		;;
	demo)
		in_root tools/demo.sh tools/demo.sh
		tail -n 1 "$log"
		;;
	*) fail "no part '$1'" ;;
	esac
}

run_parts() { # 'PART...'
	local part
	new_root "$1"
	in_root "$1: package lists" apt-get update -q
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
