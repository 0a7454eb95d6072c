#!/bin/sh
# SPDX-License-Identifier: MIT
# The hand-counted offsets hold for Xen's header as each machine's compiler lays it out.
# Usage: test_header.sh -m32|-m64 SOURCE COMPILER...
machine=$1
source=$2
shift 2

if ! echo 'int machine;' | "$@" "$machine" -ffreestanding -fsyntax-only -x c - ; then
	echo "skipped: this compiler has no $machine"
	exit 77
fi
exec "$@" "$machine" -ffreestanding -fsyntax-only -Wall -Werror "$source"
