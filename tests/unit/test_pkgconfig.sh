#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs into a directory, compiles example.c with what was installed and runs it.
#
#	test_pkgconfig.sh BUILD-DIR SOURCE-DIR TABLE-MAKER COMPILER...
set -eu

build=$1
source=$2
maker=$3
shift 3

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

if ! command -v pkg-config >/dev/null; then
	echo "no pkg-config"
	exit 77
fi
meson install -C "$build" --no-rebuild --tags devel,runtime --destdir "$dir/root" >"$dir/log" || {
	cat "$dir/log"
	exit 1
}
pc=$(find "$dir/root" -name libxenmeter.pc)
[ -n "$pc" ] || { echo "libxenmeter.pc is not installed"; exit 1; }
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$dir/root"
so=$(find "$dir/root" -name libxenmeter.so)
[ -n "$so" ] || { echo "libxenmeter.so is not installed"; exit 1; }

# shellcheck disable=SC2046 # flags are words
"$@" -Wall -Wextra -Werror -o "$dir/example" "$source/accounting/example.c" \
	$(pkg-config --cflags --libs libxenmeter)
"$maker" "$dir/table"
LD_LIBRARY_PATH="${so%/*}" "$dir/example" "$dir/table" >"$dir/output"
cat >"$dir/expected" <<'EOF'
web, the "first" vbd 51712.0: 0.101000 s
web, the "first" vbd 51712.1: 0.202000 s
mail vbd 51712.0: 0.404000 s
EOF
diff "$dir/expected" "$dir/output"
if nm -D --defined-only "$so" | awk '{ print $3 }' | grep -v -e '^xenmeter_' -e '^LIBXENMETER_'; then
	echo "the library shows more than its interface"
	exit 1
fi
