#!/bin/sh
# SPDX-License-Identifier: MIT
# A storage helper opens what its guest's directories name, and nothing else, whatever the
# daemon asks for.
. "$(dirname "$0")/lib.sh"

host
one=$(guest one)
two=$(guest two)
attach "$one" xvda "$(disk a 1M)" --mode r
attach "$two" xvda "$(disk b 1M)"
# asks ANSWER DOMID TARGET MODE BACKEND
asks() {
	local answer=$1; shift
	"$SIMXL" run 0 "$ASKS" "$1" "$4" "$2" "$3" >"$W/asks" || fail "asks $*"
	grep -q "$answer" "$W/asks" || fail "$*: '$(cat "$W/asks")', not like '$answer'"
}
a=backend/vbd/$one/51712 b=backend/vbd/$two/51712
asks '^opened$' "$one" "$W/a" r "$a"
asks '^opened$' "$two" "$W/b" w "$b"
asks 'mode does not allow writing' "$one" "$W/a" w "$a"
asks 'does not name it' "$one" "$W/b" r "$a"
asks 'does not name it' "$one" /etc/passwd r "$a"
say "another guest's directory, or none of a disk's"
asks 'cannot read the device' "$one" "$W/b" r "$b"
asks 'cannot read the device' "$one" "$W/a" r "/local/domain/$one/device/vbd/51712"
asks 'does not name it' "$one" "$W/a" r "backend/vbd/$one/1"
say 'named later'
xenstore-write "$(back "$one")/params" "$W/b"
asks '^opened$' "$one" "$W/b" r "$a"
finish
