#!/bin/bash
# SPDX-License-Identifier: MIT
# Build the Debian packages: tools/package.sh [--clean] [DIRECTORY]
#
# They are made from the files that git has, on this machine, which gets what that needs, or
# with --clean in a new Debian made by debootstrap. They come into DIRECTORY,
# build/packages unless said; debugging symbols into its folder debug. lintian, where it is
# installed, must find no error. DEB_BUILD_PROFILES=nobpf: without clang, and so without the
# domain's CPU.
set -u
cd "$(dirname "$0")/.." || exit 1
me=package
# shellcheck source=tools/setup.sh
. tools/setup.sh
# shellcheck source=tools/new_root.sh
. tools/new_root.sh

clean=no
[ "${1:-}" != --clean ] || { clean=yes; shift; }
case ${1:-} in -*) die "unknown option '$1': package.sh [--clean] [DIRECTORY]" ;; esac
to=${1:-build/packages}

# What dpkg-buildpackage wants at the top; the version is meson's.
lay_out() { # DIRECTORY
	local version
	version=$(sed -n "s/.*version: '\([0-9.]*\)'.*/\1/p" meson.build | head -n 1)
	mkdir -p "$1" && source_files | tar --null -T - -c | tar -C "$1" -x &&
		cp -r tools/debian "$1/" && mkdir -p "$1/debian/source" &&
		echo '3.0 (native)' >"$1/debian/source/format" &&
		printf '%s\n' "xenmeter ($version) bookworm; urgency=medium" '' \
			'  * See the history of the repository.' '' \
			" -- xenmeter maintainers <maintainers@xenmeter.invalid>  $(date -Ru -d "@$(stamp)")" \
			>"$1/debian/changelog"
}

# The time of the last commit, so that the same source gives the same packages.
stamp() { git -c safe.directory='*' log -1 --format=%ct 2>/dev/null || stat -c %Y meson.build; }

build_here() {
	local dir
	dir=$(mktemp -d) || return
	# shellcheck disable=SC2064
	trap "rm -rf '$dir'" EXIT
	step 'the source' lay_out "$dir/xenmeter" || return
	install_packages dpkg-dev
	dpkg-checkbuilddeps "$dir/xenmeter/debian/control" 2>/dev/null ||
		step 'what the build needs' env DEBIAN_FRONTEND=noninteractive sh -c \
			'apt-get update -q && apt-get build-dep -q -y --no-install-recommends "$1"' \
			sh "$dir/xenmeter" || return
	step 'build' sh -c 'cd "$1" && dpkg-buildpackage -b -us -uc' sh "$dir/xenmeter" || return
	! command -v lintian >/dev/null || step 'lintian' sh -c 'cd "$1" && lintian --fail-on error ./*.changes' sh "$dir" || return
	mkdir -p "$to/debug" && rm -f "$to"/*.deb "$to"/debug/*.deb &&
		mv "$dir"/*-dbgsym_*.deb "$to/debug/" && mv "$dir"/*.deb "$to/"
}

# The packages of what is said to be built here, made in a new Debian.
build_clean() {
	local dir why
	why=$(in_namespaces true 2>&1) || die "--clean needs root and namespaces: $why"
	in_namespaces "$0" --clean "$to"
	dir=$(mktemp -d /var/tmp/xenmeter-package.XXXXXX) && chmod 755 "$dir" || return
	# shellcheck disable=SC2064
	trap "umount -R '$dir/root' 2>/dev/null; rm -rf --one-file-system '$dir'" EXIT
	step 'a new Debian' base_root "$dir/new" && new_root "$dir/new" "$dir/root" . || return
	in_root "$dir/root" env DEB_BUILD_PROFILES="${DEB_BUILD_PROFILES:-}" \
		tools/package.sh || return
	mkdir -p "$to" && rm -f "$to"/*.deb "$to"/debug/*.deb &&
		cp -r "$dir/root/root/xenmeter/build/packages"/* "$to/"
}

if [ "$clean" = yes ]; then
	build_clean || exit 1
else
	build_here || exit 1
fi
say "$(find "$to" -maxdepth 1 -name '*.deb' | wc -l) packages: apt install ./$to/*.deb"
