/* SPDX-License-Identifier: MIT */
/*
 * What tests ask of a ring, and the product does not.
 */
#ifndef XENMETER_RING_IN_FLIGHT_H
#define XENMETER_RING_IN_FLIGHT_H

#include "ring.h"

/* Requests taken and not yet answered. */
static inline uint32_t ring_in_flight(const struct ring *r)
{
	return r->req_cons - r->rsp_prod;
}

#endif
