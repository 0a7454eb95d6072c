#!/bin/sh
# SPDX-License-Identifier: MIT
# For the journal, each line begins with its priority (sd-daemon(3)), and a guest's name
# cannot begin a line of its own.
. "$(dirname "$0")/lib.sh"

export JOURNAL_STREAM=8:1
host
d=$(guest one)
attach "$d" xvda "$(disk a 16M)"
load "$d" --rw read --number 10
# expect_line PATTERN: in the daemon's log
expect_line() { grep -Eq "$1" "$LOG" || fail "no line like '$1'"; }
expect_line '^<6>backend/vbd/.*connected'

say 'a name of two lines, the second a priority'
xenstore-write "/local/domain/$d/name" 'one\n<0>two'
called() { grep -q 'was called one before' "$LOG"; }
within 10 called || fail 'it is not renamed'
attach "$d" xvdb "$W/none" --no-script --set physical-device-path="$W/none"
expect_error "$d" none 51728
expect_line '^<3>backend/vbd/.* \(one\?<0>two\): .*none'
finish
! grep -vE '^<[3-7]>' "$LOG" || fail 'a line without a priority'
