#!/bin/sh
# SPDX-License-Identifier: MIT
# Garbage in each of the frontend's keys, one after the other. Argument: which garbage.
. "$(dirname "$0")/lib.sh"

scene "$(disk a 4M)"
for key in ring-ref event-channel protocol ring-page-order num-ring-pages \
	multi-queue-num-queues feature-persistent state; do
	offend garbage $key "$1"
	say "$key: $(cat "$W/offender")"
	case $key in
	ring-ref|event-channel|multi-queue-num-queues|protocol)
		grep -q refused "$W/offender" || fail 'accepted'
		expect_error 1 '.'
		state 1 back 6
		;;
	esac
	"$SIMXL" block-detach 1 xvda
	attach 1 xvda "$W/a"
done
load 1 --rw randrw --verify --number 100
undisturbed
finish
