/* SPDX-License-Identifier: MIT */
/*
 * How fast a guest may transmit: the `rate` key, as Linux's xen-netback means it, but one
 * for the whole vif. Used by the vif's worker alone.
 */
#ifndef XENMETER_RATE_H
#define XENMETER_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So much credit may gather even where an interval brings less, else a frame longer than
 * that could never go (xen-netback: "a jumbo packet of up to 128kB"). */
#define RATE_MIN_BURST (128u << 10)

#define RATE_UNLIMITED UINT64_MAX

struct rate_limit {
	uint64_t bytes; /* in each interval; RATE_UNLIMITED; 0 stops the guest */
	uint64_t usec;	/* the interval; 0 is unlimited */
};

struct rate {
	struct rate_limit limit;
	uint64_t credit;      /* bytes that may go now */
	uint64_t refilled_ns; /* when the interval began */
};

/**
 * rate_parse() - the `rate` key
 * @text: "bytes,usec", plain decimal numbers
 * @length: of the text
 * @ret: written always: unlimited if it is no rate
 *
 * Return: 0, or -EINVAL if it is no rate: to be logged, as xen-netback does.
 */
int rate_parse(const char *text, size_t length, struct rate_limit *ret);

/**
 * rate_set() - this limit from now on, beginning with an interval's credit
 * @r: the vif's
 * @limit: NULL for unlimited
 * @now_ns: any clock that only goes forward; the same in all calls
 */
void rate_set(struct rate *r, const struct rate_limit *limit, uint64_t now_ns);

/**
 * rate_is_limited() - is there a limit?
 * @r: the vif's
 *
 * If not, rate_take() does not look at the time.
 */
static inline bool rate_is_limited(const struct rate *r)
{
	return r->limit.bytes != RATE_UNLIMITED && r->limit.usec;
}

/* rate_take() of a vif that has a limit. */
bool rate_take_limited(struct rate *r, uint32_t bytes, uint64_t now_ns,
		       uint64_t *ret_when_ns);

/**
 * rate_take() - may a frame go?
 * @r: the vif's
 * @bytes: the frame's
 * @now_ns: now
 * @ret_when_ns: written if it may not: when to ask again; UINT64_MAX: when the limit
 *	has changed
 *
 * Return: whether it may; then its bytes are taken from the credit.
 */
static inline bool rate_take(struct rate *r, uint32_t bytes, uint64_t now_ns,
			     uint64_t *ret_when_ns)
{
	return !rate_is_limited(r) || rate_take_limited(r, bytes, now_ns, ret_when_ns);
}

#endif
