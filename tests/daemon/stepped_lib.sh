# SPDX-License-Identifier: MIT
# Kills at single stores; a test sources this after lib.sh or netlib.sh. The daemon serves
# one request of a guest; its worker is run one instruction at a time and the daemon killed
# after one of its stores into a journal, a ring or the table (step). A successor goes on.
# Without an argument that is done at one store of each of these, chosen at random, with one
# at each N-th store; 1 is at all of them, which takes some minutes.
every=${1:-}
seed=${2:-$(date +%s)}
say "seed $seed"
# step would see each byte that the C library copies by one repeated instruction.
export GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=0x7fffffff:glibc.cpu.x86_rep_stosb_threshold=0x7fffffff

# one_begin DOMID COMMAND...: the guest, which is told by `tell` what to do
one_begin() {
	local d=$1; shift
	mkfifo "$W/tell"
	"$SIMXL" run "$d" "$@" <"$W/tell" >"$W/one.out" 2>&1 &
	one=$!
	PIDS="$PIDS $one"
	exec 9>"$W/tell"
	within 20 one_said 1 || { cat "$W/one.out"; fail 'it does not connect'; }
	said=1 lives=0
}
one_said() { [ "$(wc -l <"$W/one.out")" -ge "$1" ]; }
tell() { said=$((said + 1)); echo "$1" >&9; }
# answered: it has done all that it was told
answered() {
	within 60 one_said $said || { cat "$W/one.out"; fail "${1:-it} is not answered"; }
}
# one_end: sets ONE_LAST to the last thing it says
one_end() {
	echo end >&9
	ended "$one"
	ONE_LAST=$(tail -n 1 "$W/one.out")
	say "the guest: $ONE_LAST"
}

stepping() { grep -q ready "$W/step" 2>/dev/null || gone "$stepper"; }
goes_on() { [ "$(grep -c 'goes on where the last daemon ended' "$LOG")" -ge $lives ]; }

# step_to STORE KIND RINGS...: while the guest makes one of these. Return: 1 if there are
# fewer stores, and the daemon lives.
step_to() {
	local store=$1 kind=$2 code=0 place; shift 2
	rm -f "$W/step"
	"$STEP" "$DAEMON" worker-0 "$store" "$TABLE" "$XENSIM_DIR/pages" "$@" >"$W/step" 2>&1 &
	stepper=$!
	within 10 stepping || fail 'nothing is traced'
	tell "$kind"
	wait "$stepper" || code=$?
	case $code in
	0) ;;
	1) answered "$kind"; return 1 ;;
	77) skip "$(tail -n 1 "$W/step")" ;;
	*) cat "$W/step"; fail "step: $code" ;;
	esac
	daemon_gone
	place=$(sed -n 's/.*, in //p' "$W/step")
	eval "in_$place=\$((in_$place + 1))"
	daemon_start
	lives=$((lives + 1))
	within 30 goes_on || fail "$kind, store $store: it does not go on"
	answered "$kind"
	balanced
}

# below NUMBER: one that is drawn, from 1 on
below() {
	awk -v s="$seed" -v k="$drawn" -v n="$1" 'BEGIN { srand(s + 7919 * k); rand(); print 1 + int(rand() * n) }'
}

# step_some KIND RINGS...
step_some() {
	local where
	drawn=$((drawn + 1))
	for where in "journal:$(below 4)" "ring:$(below 3)" "table:$(below 60)"; do
		step_to "$where" "$@" || say "$1: no store $where"
	done
}

# step_all KIND RINGS...
step_all() {
	local n; n=$(below "$every")
	while step_to "$n" "$@"; do
		n=$((n + every))
		[ "$n" -lt 5000 ] || fail 'there is no end'
	done
	say "$1: $(sed -n '/stores/p' "$W/step")"
}

# step_through KIND RINGS...
step_through() {
	in_journal=0 in_ring=0 in_table=0
	if [ -n "$every" ]; then step_all "$@"; else step_some "$@"; fi
	say "$1: killed at $((in_journal + in_ring + in_table)) stores: $in_journal in the journal," \
		"$in_ring in a ring, $in_table in the table"
	all_journal=$((all_journal + in_journal)) all_ring=$((all_ring + in_ring))
	all_table=$((all_table + in_table))
}
drawn=0 all_journal=0 all_ring=0 all_table=0

# stepped: each of them was met
stepped() {
	[ $all_journal -gt 0 ] && [ $all_ring -gt 0 ] && [ $all_table -gt 0 ] ||
		fail 'none in the journal, in a ring, or in the table'
}
