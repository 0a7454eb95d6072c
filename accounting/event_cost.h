/* SPDX-License-Identifier: MIT */
/*
 * What the events of one port have cost the kernel, since the domain's meter began.
 * Written by programs in the kernel, on whatever CPU the event comes; read by whoever
 * owns the port.
 */
#ifndef XENMETER_EVENT_COST_H
#define XENMETER_EVENT_COST_H

#include <stdint.h>

struct event_cost {
	uint64_t handler_ns; /* in the interrupt's handler */
	uint64_t idle_ns;    /* idle while running, ended by the event */
	uint64_t count;	     /* interrupts */
};

/* Ports below it are told apart. Those above are in no row. */
#define EVENT_PORTS 16384

#endif
