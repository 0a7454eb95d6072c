# SPDX-License-Identifier: MIT
# Sourced by tools/package.sh and tests/install/minbase.sh: a new Debian that has nothing
# but what is asked for, made by debootstrap (--variant=minbase) from this machine's own
# package sources. Its maker works in mount and pid namespaces of its own.

# in_namespaces SCRIPT ARGUMENT...: run it in namespaces whose mounts go when it ends;
# returns if this is already so, and 1 if there can be none
in_namespaces() {
	[ -z "${NEW_ROOT_INSIDE:-}" ] || return 0
	unshare --mount --pid --fork true || return
	NEW_ROOT_INSIDE=yes exec unshare --mount --pid --fork --kill-child --mount-proc "$@"
}

# package_sources: SITE CODENAME of what this machine has from Debian
package_sources() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT) $(ORIGIN)' \
		'Created-By: Packages' | sed -n 's/ main Debian$//p' | sort -u
}

# source_files: what belongs to the source in the current directory, NUL between them
source_files() {
	git -c safe.directory='*' ls-files -z 2>/dev/null ||
		find . -path './build*' -prune -o -type f -print0
}

# base_root DIRECTORY: Debian as debootstrap makes it; why not, if it cannot be
base_root() {
	local codename site
	command -v debootstrap >/dev/null || { echo 'needs debootstrap (package debootstrap)'; return 1; }
	command -v apt-get >/dev/null || { echo 'needs a Debian with package sources'; return 1; }
	# shellcheck disable=SC1091
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	site=$(package_sources | sed -n "s/ $codename\$//p" | head -n 1)
	[ -n "$site" ] || { echo "this machine has no package lists of Debian $codename"; return 1; }
	debootstrap --variant=minbase "$codename" "$1" "$site" >"$1.log" 2>&1 ||
		{ echo "debootstrap cannot work here: $(tail -n 1 "$1.log")"; return 1; }
}

# new_root BASE ROOT SOURCE: a copy of BASE to be used, with our source in /root/xenmeter
new_root() {
	cp -a "$1" "$2"
	mount --bind "$2" "$2" # `ip netns exec` wants / to be a mount point
	mount -t proc proc "$2/proc"
	mount --rbind /sys "$2/sys"
	mount --rbind /dev "$2/dev"
	mount -t tmpfs tmpfs "$2/run"
	package_sources | sed 's/^/deb /; s/$/ main/' >"$2/etc/apt/sources.list"
	{
		apt-config dump Acquire
		echo 'APT::Get::Assume-Yes "true";'
		echo 'APT::Install-Recommends "false";'
	} >"$2/etc/apt/apt.conf.d/90minbase"
	cp -L /etc/resolv.conf "$2/etc/" 2>/dev/null
	printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d" # no service starts
	chmod 755 "$2/usr/sbin/policy-rc.d"
	echo force-unsafe-io >"$2/etc/dpkg/dpkg.cfg.d/minbase" # no power fails here
	mkdir "$2/root/xenmeter"
	(cd "$3" && source_files | tar --null -T - -c) | tar -C "$2/root/xenmeter" -x
}

# in_root ROOT COMMAND...: in that Debian, within the source, with nothing of our environment
in_root() {
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
		DEBIAN_FRONTEND=noninteractive DEMO_SECONDS=3 ${http_proxy:+http_proxy="$http_proxy"} \
		chroot "$1" sh -c 'cd /root/xenmeter && "$@"' sh "${@:2}"
}
