# SPDX-License-Identifier: MIT
# What the tests of the command line tool share; a test sets $json_value and sources it.

dir=$(mktemp -d)
table=$dir/table
out=$dir/out
err=$dir/err
failed=0
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*"
	sed 's/^/	out: /' "$out"
	sed 's/^/	err: /' "$err"
	failed=1
}

# run STATUS COMMAND... : the command's output is left in $out and $err
run() {
	want=$1
	shift
	"$@" >"$out" 2>"$err"
	got=$?
	[ "$got" -eq "$want" ] || fail "status $got, not $want: $*"
}

# said TEXT : it stands in the output; complained TEXT : in the errors, which is one line
said() {
	grep -qF -e "$1" "$out" || fail "not said: $1"
}

complained() {
	grep -qF -e "$1" "$err" || fail "not complained: $1"
	[ "$(wc -l <"$err")" -le "${2:-1}" ] || fail "too many lines of complaint"
}

# value PATH TEXT : what the JSON in $out has there
value() {
	got=$("$json_value" "$1" <"$out") || fail "no JSON with $1"
	[ "$got" = "$2" ] || fail "$1 is $got, not $2"
}
