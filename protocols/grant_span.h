/* SPDX-License-Identifier: MIT */
/*
 * A part of one granted page, validated: what decoders make of a guest's segment or slot
 * and what backends copy or map.
 */
#ifndef XENMETER_GRANT_SPAN_H
#define XENMETER_GRANT_SPAN_H

#include <stdint.h>

/* What a guest grants: pages of data, and of rings. x86 has no other size. */
#define GRANT_PAGE_SIZE 4096u

/* Never empty; offset + length lies within the page. */
struct grant_span {
	uint32_t gref;
	uint16_t offset; /* bytes */
	uint16_t length; /* bytes */
};

#endif
