#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs what the tests need, builds, runs them: plain, under ASan and UBSan, and what
# threads share under TSan; then on real Xen under QEMU. Ends in a line with the sums.
set -u
me=tests
cd "$(dirname "$0")/.." || exit 1
. tools/setup.sh

usage() {
	cat <<'TEXT'
usage: tests/run.sh [--quick] [--times]
  --quick  leave out real Xen (tests/xen, booted under QEMU's emulation), the suites books,
           hostile, slow and install, and the sanitizers' second run but for unit tests
  --times  say at the end which tests took longest
TEXT
}

quick=no times=no
for option in "$@"; do
	case $option in
	--quick) quick=yes ;;
	--times) times=yes ;;
	--help | -h)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
done

test_packages="jq qemu-utils qemu-system-common man-db groff strace util-linux iproute2 iputils-ping iperf3 tcpdump ethtool
	curl apache2-utils busybox-static systemd clang-format debootstrap tmux
	clang bpftool libbpf-dev"
passed=0 failed=0 skipped=0
second_tries=()
slowest=$(mktemp)
behind=() # sessions in the background, by their leaders
trap 'rm -f "$slowest"; for leader in "${behind[@]}"; do kill -- "-$leader" 2>/dev/null; done' EXIT

# again BUILD LOG: what failed is run once more, alone: a busy machine keeps some tests from
# what they wait for. What fails twice has failed.
again() {
	local log=$1/meson-logs/$2.json names=()
	cp "$log" "$1/first.json"
	mapfile -t names < <(jq -r 'select(.result | IN("OK", "SKIP", "EXPECTEDFAIL") | not) |
		.name | sub("^.* / "; "")' "$log")
	[ "${#names[@]}" -gt 0 ] || return 0
	say "$1: once more, alone: $(printf '"%s" ' "${names[@]}")"
	meson_test "$1" "$2" --no-rebuild --num-processes 1 "${names[@]}" ||
		sed -n '/^=\{10,\}/,/^=\{10,\} *$/p' "$1/$2.log" | tail -n 200 >&2
	jq -c 'select(.result | IN("OK", "SKIP", "EXPECTEDFAIL"))' "$1/first.json" >"$1/all.json"
	jq -c --slurpfile first "$1/first.json" '. as $t | select($first |
		any(.name == $t.name and (.result | IN("OK", "SKIP", "EXPECTEDFAIL") | not)))' \
		"$log" >>"$1/all.json"
	mapfile -t -O "${#second_tries[@]}" second_tries < <(jq -r --arg build "$1" \
		'select(.result | IN("OK", "EXPECTEDFAIL")) | .name | sub("^.* / "; "") + " (\($build))"' "$log")
	cp "$1/all.json" "$log"
}

# count BUILD LOG: add the last run of meson test to the sums, and show what went wrong
count() {
	local result name why
	while IFS=$'\t' read -r result name why; do
		case $result in
		OK | EXPECTEDFAIL) passed=$((passed + 1)) ;;
		SKIP)
			skipped=$((skipped + 1))
			say "skipped: $name ($1)"
			;;
		*)
			failed=$((failed + 1))
			say "$result: $name ($1): $why"
			;;
		esac
	done < <(jq -r '[.result, .name, ((.stderr // "") + (.stdout // "") | split("\n") |
		map(select(test("^FAILED|[.]c:[0-9]+: |Sanitizer"))) | first // "see its log")] |
		@tsv' "$1/meson-logs/$2.json")
}

# meson_test BUILD LOG OPTION...: a limit of time is for what hangs, not for a busy machine
meson_test() {
	meson test -C "$1" --logbase "$2" --print-errorlogs --timeout-multiplier 3 "${@:3}" \
		>"$1/$2.log" 2>&1
}

# judge BUILD LOG: what meson_test has found there; what failed is tried again
judge() {
	if [ ! -f "$1/meson-logs/$2.json" ]; then
		tail -n 20 "$1/$2.log" >&2
		failed=$((failed + 1))
		return
	fi
	jq -r --arg build "$1" '"\(.duration * 10 | round / 10) \(.name) (\($build))"' \
		"$1/meson-logs/$2.json" >>"$slowest"
	again "$@"
	count "$@"
}

# suites BUILD SUITE... [-SUITE...]: run these, but for what is in those with a dash; the
# log of what failed. Most tests wait more than they work, so there are three at a time for
# each CPU.
suites() {
	local dir=$1 began=$SECONDS suite arguments=(--num-processes $((3 * $(nproc))))
	shift
	for suite in "$@"; do
		case $suite in
		-*) arguments+=(--no-suite "${suite#-}") ;;
		*) arguments+=(--suite "$suite") ;;
		esac
	done
	say "$dir: $* ..."
	rm -f "$dir/meson-logs/testlog.json"
	meson_test "$dir" testlog "${arguments[@]}"
	judge "$dir" testlog
	say "$dir: $* ($((SECONDS - began)) s)"
}

# gently COMMAND...: in the background, with what the tests leave of the CPUs. Each of them is
# a session, and may be scheduled as one.
gently() {
	exec setsid nice -n 19 sh -c 'echo 19 2>/dev/null >/proc/self/autogroup; exec "$@"' sh "$@"
}

# The laws of the design that a text search can hold.
law() { # NAME COMMAND: the command must print nothing
	local found
	found=$(eval "$2")
	if [ -z "$found" ]; then
		passed=$((passed + 1))
		return
	fi
	failed=$((failed + 1))
	say "FAIL: law: $1:"
	printf '%s\n' "$found" >&2
}

long_lines() {
	git ls-files -z '*.c' '*.h' | xargs -0 awk '{
		gsub(/[\200-\277]/, "") # the rest of a character
		width = 0
		n = split($0, part, "\t")
		for (i = 1; i < n; i++)
			width = int((width + length(part[i])) / 8 + 1) * 8
		if (width + length(part[n]) > 90)
			print FILENAME ": " FNR
	}'
}

# Each function of a page is in the file that the page gives it: FILE.c `name()`, `name()`.
unknown_functions() {
	local place line file names name
	git grep -noE '[a-z_/]+\.[ch] `[a-z0-9_]+\(\)`(, `[a-z0-9_]+\(\)`)*' -- '*.md' |
		while IFS=: read -r place line names; do
			file=${names%% *}
			for name in $(tr -d '`(),' <<<"${names#* }"); do
				git grep -qE "\\b$name\\(" -- "$file" "*/$file" ||
					printf '%s:%s: %s has no %s()\n' "$place" "$line" "$file" "$name"
			done
		done
}

laws() {
	law "device code does not name the meter" \
		"grep -nE '\\b((meter|bill|books|account|row_settle)_[a-z_]+|charge(_[a-z_]+)?|worker_(claim|settled|offloaded)[a-z_]*|queue_(charge|settle)[a-z_]*)\(' -r backend/{base,block,control,net,storage,worker} --include=*.[ch] --exclude={'*queue',charge,control,main,worker}.[ch]"
	law "protocols/ and accounting/ include nothing of backend/" \
		"grep -nE '#include \"(\\.\\./|backend)' -r protocols accounting --include=*.[ch]"
	law "protocols/ has no I/O, no allocation, no log" \
		"grep -nE '\\b(malloc|calloc|free|open|read|write|printf|log_[a-z]+|xen(gnttab|evtchn)_[a-z]+|xs_[a-z]+)\\(' -r protocols --include=*.[ch]"
	law "the product knows nothing of the tests' Xen" \
		"grep -rniE 'xensim|simulated' backend accounting protocols --include=*.[ch] --include=meson.build"
	law "the tree is as .clang-format has it" \
		"git ls-files -z '*.c' '*.h' | xargs -0 -n 40 -P 2 clang-format --dry-run -Werror 2>&1 | grep ': error:'"
	law "no line of C is longer than 90 columns" long_lines
	law "pages name functions that there are" unknown_functions
	law "no line ends in white space" \
		"git grep -nIE '[[:blank:]]+\$' -- ':!tests/fuzz/corpus'"
	law "every file has its licence" \
		"git grep -L 'SPDX-License-Identifier: MIT' -- ':!LICENSE' ':!tests/fuzz/corpus'"
}

# The sanitizers need lines, and not the whole of the debugger's information.
setup() { # DIR MESON-OPTION...
	[ -f "$1/build.ninja" ] || step "set up $1" meson setup "$@" -Db_lundef=false \
		-Dc_args=-g1 -Dc_link_args=-fuse-ld=gold
}

# shellcheck disable=SC2086
install_packages $build_packages $demo_packages $test_packages
# Not installed, so that none runs here. Without it, a test of metrics skips a part.
[ -x build/prometheus/usr/bin/promtool ] || step "prometheus" unpack_package prometheus build/prometheus
export PATH=$PATH:$PWD/build/prometheus/usr/bin
step "build" build build --werror || exit 1
# Of these the tests build what they need.
setup build-asan -Db_sanitize=address,undefined -Doptimization=1 || exit 1

laws
if [ "$quick" = yes ]; then
	export XENMETER_SNAPSHOTS=1000000
	suites build unit abi sim guests fuzz daemon net
	suites build-asan unit abi fuzz -once
	say "left out by --quick: real Xen, books, hostile, slow, install, most of the sanitizers' runs"
else
	setup build-tsan -Db_sanitize=thread || exit 1
	# Minutes of work that nobody waits for, while tests wait.
	rm -f build/meson-logs/install.json
	(
		exec setsid meson test -C build --logbase install --print-errorlogs --no-rebuild \
			--suite install >build/install.log 2>&1
	) &
	install=$!
	gently ninja -C build-asan >build-asan/build.log 2>&1 &
	asan=$!
	behind=("$install" "$asan")
	suites build unit abi sim guests fuzz daemon net books hostile slow
	wait "$asan" || {
		say "build-asan: its build failed; its tests try it again:"
		tail -n 20 build-asan/build.log >&2
	}
	export PLAIN_BUILD=$PWD/build
	suites build-asan unit abi fuzz daemon net hostile -once
	XENMETER_SNAPSHOTS=100000 suites build-tsan threads
	wait "$install"
	judge build install
	say "real Xen under QEMU ..."
	tests/xen/run --twice || :
	passed=$((passed + $(grep -c '^OK' build/xen/verdicts)))
	failed=$((failed + $(grep -c '^FAIL' build/xen/verdicts)))
	[ -s build/xen/verdicts ] || failed=$((failed + 1))
fi
if [ "$times" = yes ]; then
	say "the tests that took longest, in seconds:"
	sort -rn "$slowest" | head -n 25 >&2
fi
if [ "${#second_tries[@]}" -gt 0 ]; then
	say "${#second_tries[@]} needed a second try: $(printf '%s, ' "${second_tries[@]}" | sed 's/, $//')"
fi
printf 'tests: %d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
