# SPDX-License-Identifier: MIT
# The rest of a driver domain's start, sourced by domain-init: what an operator would have
# run there, and then what dom0 asks for.
. /xm/talk.sh
xl devd
xenmeterd --user xenmeter --domain=off >/var/log/xenmeterd.log 2>&1 &
until grep -q 'serving with' /var/log/xenmeterd.log; do sleep 0.1; done
truncate -s 16M /tmp/disk.img
tell up 1

# answer N COMMAND: what dom0 asks for in control/xm-ask-N is run; tells answer-N
for n in $(seq 1000); do
	tell "answer-$n" "$(eval "$(receive "ask-$n")" 2>&1 | tail -c 2000)"
done
