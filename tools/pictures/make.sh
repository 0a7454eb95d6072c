#!/bin/bash
# SPDX-License-Identifier: MIT
# README's pictures, from a run on the simulated Xen: guests read, write and flush for a
# while, top shows them, they get their bill, and a Prometheus has what the dashboard asks
# for. Needs tmux, prometheus (or build/prometheus, see tests/run.sh) and
# python3-matplotlib.
#
#	tools/pictures/make.sh [BUILD]
set -eu
cd "$(dirname "$0")/../.."
build=$PWD/${1:-build}
here=$PWD/tools/pictures
dir=$(mktemp -d)
export XENSIM_DIR=$dir/xen TMUX_TMPDIR=$dir LC_ALL=C.UTF-8
export PATH=$build/tests/sim:$build/tests/guests:$build/tools:$PATH:$PWD/build/prometheus/usr/bin LD_LIBRARY_PATH=$build/accounting
unset TMUX
pids=()
clean_up() {
	kill "${pids[@]}" 2>/dev/null || :
	tmux -f /dev/null -L pictures kill-server 2>/dev/null || :
	simxl down >/dev/null 2>&1 || :
	rm -rf "$dir"
}
trap clean_up EXIT

simxl up
simxl run 0 "$build/backend/control/xenmeterd" --table "$dir/table" --workers 2 2>"$dir/log" &
pids+=($!)
until grep -q serving "$dir/log"; do sleep 0.1; done
xenmeter record --once --directory "$dir/records" --table "$dir/table"
truncate -s 64M "$dir/db" "$dir/mail"

# guest NAME DISK BLKLOAD-OPTION...
guest() {
	local name=$1 disk=$2
	shift 2
	simxl create "$name" >/dev/null
	simxl block-attach "$name" xvda "$disk"
	simxl run "$name" blkload --time 600 "$@" >/dev/null &
	pids+=($!)
}
guest database "$dir/db" --rw randwrite --bs 8k --rate 900 --flush-every 4
guest web-1 null:1G --rw randread --bs 16k --rate 1200 --depth 4
guest web-2 null:1G --rw randread --bs 4k --rate 600
guest mail "$dir/mail" --rw randrw --bs 4k --rate 300 --flush-every 20
guest build null:1G --rw write --bs 128k --rate 150 --depth 2
guest idle null:1G --hold 600
simxl vif-attach web-1 0 --set type=null
simxl run web-1 netload generate --time 600 --rate 2000 --size 1400 --rx-slots 1 --no-refill >/dev/null &
pids+=($!)

exporter=127.0.0.1:29736 prometheus=127.0.0.1:29090
xenmeter export --listen $exporter --table "$dir/table" &
pids+=($!)
printf '%s\n' 'global: { scrape_interval: 2s }' 'scrape_configs:' \
	"  - { job_name: xenmeter, static_configs: [ { targets: [ '$exporter' ] } ] }" >"$dir/prometheus.yml"
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" \
	--web.listen-address=$prometheus >/dev/null 2>&1 &
pids+=($!)

mux() { tmux -f /dev/null -L pictures "$@"; }
# picture NAME TITLE: of what the terminal shows
picture() { mux capture-pane -e -p -t =shown: | "$here/svg.py" "$2" >"$here/$1.svg"; }
sleep 15
mux new-session -d -s shown -x 92 -y 19 "exec '$build/tools/xenmeter' top -d 3 -t '$dir/table'"
sleep 8
picture top "xenmeter top: guests by what they cost, the dearest first"
mux send-keys -t =shown: Enter
sleep 4
picture guest "xenmeter top, one guest: what each kind of request costs it, by stage"
mux kill-session -t =shown
xenmeter record --once --directory "$dir/records" --table "$dir/table"
printf '$ xenmeter bill --price 5\n' >"$dir/shown"
xenmeter bill --directory "$dir/records" --price 5 >>"$dir/shown"
"$here/svg.py" "xenmeter bill: what guests cost, by uuid" <"$dir/shown" >"$here/bill.svg"
until curl -s "http://$prometheus/api/v1/query?query=xenmeter_books_balanced" | grep -q '"1"'; do sleep 1; done
sleep 90
"$here/dashboard.py" http://$prometheus 100 tools/export/dashboard.json "$here/dashboard.svg"
sed -i 's/ *$//; 0,/^<svg /s//<!-- SPDX-License-Identifier: MIT -->\n<svg /' "$here/dashboard.svg"
