# SPDX-License-Identifier: MIT
# Sourced by tools/demo.sh and tests/run.sh: packages, builds and progress lines.

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }

# step TEXT COMMAND...: quiet while it works; its output only if it fails.
step() {
	local text=$1 log began=$SECONDS
	shift
	log=$(mktemp)
	[ -t 2 ] && printf '%s: %s ...\r' "$me" "$text" >&2
	if "$@" >"$log" 2>&1 </dev/null; then
		printf '%s: %s (%d s)\033[K\n' "$me" "$text" $((SECONDS - began)) |
			{ [ -t 2 ] && cat || tr -d '\033' | sed 's/\[K$//'; } >&2
		rm -f "$log"
		return 0
	fi
	tail -n 60 "$log" >&2
	rm -f "$log"
	say "failed: $text"
	return 1
}

# What a build needs, and what runs on top of it.
build_packages="gcc libc6-dev meson ninja-build pkg-config libxen-dev liburing-dev
	libsystemd-dev libseccomp-dev libcap-ng-dev libjansson-dev libncurses-dev
	libmicrohttpd-dev nbdkit-plugin-dev"
demo_packages="nbdkit libnbd-bin fio e2fsprogs xenstore-utils procps iproute2 busybox-static curl"

missing_packages() {
	local p
	for p in "$@"; do
		dpkg-query -W -f='${Status}\n' "$p" 2>/dev/null |
			grep -q '^install ok installed$' || printf '%s ' "$p"
	done
}

install_packages() {
	local missing
	command -v dpkg-query >/dev/null || die "this needs Debian 12 (no dpkg-query here)"
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	[ "$(id -u)" -eq 0 ] || die "run as root to install: $missing"
	export DEBIAN_FRONTEND=noninteractive
	step "package lists" apt-get update -q || die "apt-get update failed: is a mirror reachable?"
	# shellcheck disable=SC2086
	step "packages: $missing" apt-get install -q -y --no-install-recommends $missing ||
		die "cannot install the packages above"
}

# unpack_package PACKAGE DIR: its files in DIR; not installed, so no service of it starts
unpack_package() {
	local download code
	download=$(mktemp -d) && chmod 755 "$download" && mkdir -p "$2" || return
	(cd "$download" && apt-get -q -o APT::Sandbox::User=root download "$1") &&
		dpkg-deb -x "$download"/*.deb "$2"
	code=$?
	rm -rf "$download"
	return $code
}

# build DIR [MESON-OPTION...]: all, or $targets
build() {
	local dir=$1
	shift
	if [ ! -f "$dir/build.ninja" ]; then
		meson setup "$dir" "$@" || return
	fi
	# shellcheck disable=SC2086
	ninja -C "$dir" ${targets:-}
}
