# SPDX-License-Identifier: MIT
# For the scenarios that say where dom0's CPU went; sourced in dom0.
#
# Each figure is the difference of a long and a short run of the same, so that what is done
# once, such as to start a load and to look at the books, is not in it.

columns='xen running unnamed daemon storage interrupt softirq idle kernel process stolen
	charged offload event idle_exit k_softirq k_block k_kthread'

# books_now: as tests/xen/books.c says; of a daemon that does not measure only the first
books_now() { books ${1:+--no-domain}; }

# difference A B: B - A, column by column
difference() { echo "$1 $2" | awk '{ n = NF / 2; for (i = 1; i <= n; i++) printf "%d ", $(n + i) - $i }'; }

# added LOAD FEW MANY [--no-domain]: what the load adds; sets ADDED. `load LOAD COUNT` runs it.
added() {
	local a b c
	load "$1" "$2"
	a=$(books_now "${4:-}")
	load "$1" "$2"
	b=$(books_now "${4:-}")
	load "$1" "$3"
	c=$(books_now "${4:-}")
	ADDED=$(difference "$(difference "$a" "$b")" "$(difference "$b" "$c")")
}

# cover LOAD FEW MANY: prints what a load adds, by line and by row, and what of dom0's work,
# less its own processes, stands in rows; sets COVERED to that and UNNAMED, in permille
cover() {
	added "$1" "$2" "$3"
	# shellcheck disable=SC2086
	echo "@@ $1: $(paste -d= <(printf '%s\n' $columns) <(printf '%s\n' $ADDED) | xargs)"
	read -r COVERED UNNAMED <<<"$(echo "$ADDED" | awk '{
		rows = $12 + $13 + $14 + $15 + $16 + $17 + $18; all = $1 - $10
		printf "%d %d\n", 1000 * rows / all, 1000 * $3 / $2 }')"
	echo "@@ $1: of $(echo "$ADDED" | awk '{ print $1 - $10 }') us rows have $COVERED permille; unnamed $UNNAMED"
}
