#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages are without warnings, and tell of every option there is.
#
#	test_man.sh XENMETER PAGE...
set -u

xenmeter=$1
shift
failed=0

if ! command -v man >/dev/null; then
	echo "no man"
	exit 77
fi
for page; do
	warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 \
		man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
	if [ -n "$warnings" ]; then
		echo "$page: $warnings"
		failed=1
	fi
done

text=$(MANWIDTH=80 man -l "$1" 2>/dev/null | col -b)
for sub in top dump check trace study drivers export record bill; do
	for option in $("$xenmeter" $sub --help | grep -o -e ' --[a-z]*'); do
		case $option in
		--usage) continue ;;
		esac
		if ! echo "$text" | grep -q -e "$option"; then
			echo "$1: nothing about xenmeter $sub $option"
			failed=1
		fi
	done
done
exit $failed
