#!/bin/sh
# SPDX-License-Identifier: MIT
# Every request that is to be refused gets its answer and is counted as
# refused, at the expense of who sent it. Arguments: rw, ro or nodiscard; the ABI.
. "$(dirname "$0")/lib.sh"

case $1 in
ro) scene "$(disk a 1M)" --mode r ;;
nodiscard) scene "$(disk a 1M)" --set discard-enable=0 ;;
*) scene "$(disk a 1M)" ;;
esac
offend refused "$1" "$2"
read -r sent refused <"$W/offender"
say "$sent requests, $refused refused"
expect_row 1 requests "$sent"
expect_row 1 refused "$refused"
expect_row 1 errors "$refused"
paid refused_cycles
paid exact_parse
undisturbed
finish
