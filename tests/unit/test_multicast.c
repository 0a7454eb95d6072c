/* SPDX-License-Identifier: MIT */
/* The multicast filter: netif.h's feature-multicast-control, at most 64 addresses. */
#include "check.h"

#include "multicast.h"

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t unicast[6] = { 0x00, 0x16, 0x3e, 0, 0, 1 };

static void make(uint8_t address[6], uint16_t number)
{
	uint8_t made[6] = { 0x01, 0x00, 0x5e, 0, number >> 8, number };

	memcpy(address, made, sizeof(made));
}

static bool passes(const struct multicast *m, const uint8_t to[6])
{
	uint8_t *frame = calloc(1, 60);
	bool result;

	memcpy(frame, to, 6);
	result = multicast_passes(m, frame, 60);
	free(frame);
	return result;
}

static void without_a_request_everything_passes(void)
{
	struct multicast m;
	uint8_t a[6];

	multicast_init(&m);
	make(a, 1);
	CHECK(passes(&m, a));
	CHECK(passes(&m, broadcast));
	CHECK(passes(&m, unicast));
}

static void only_listed_multicast_passes(void)
{
	struct multicast m;
	uint8_t a[6], b[6];

	make(a, 1);
	make(b, 2);
	multicast_init(&m);
	multicast_set(&m, true);
	CHECK(!passes(&m, a));
	CHECK_EQ(multicast_add(&m, a), MULTICAST_DONE);
	CHECK(passes(&m, a));
	CHECK(!passes(&m, b));
	CHECK(passes(&m, broadcast));
	CHECK(passes(&m, unicast));
	multicast_remove(&m, a);
	CHECK(!passes(&m, a));
}

/* netif.h: the list may be amended without the request, and is applied once it comes;
 * feature-dynamic-multicast-control: the request comes and goes at any time. */
static void the_request_may_come_and_go(void)
{
	struct multicast m;
	uint8_t a[6], b[6];

	make(a, 1);
	make(b, 2);
	multicast_init(&m);
	CHECK_EQ(multicast_add(&m, a), MULTICAST_DONE);
	CHECK(passes(&m, b));
	multicast_set(&m, true);
	CHECK(passes(&m, a));
	CHECK(!passes(&m, b));
	multicast_set(&m, false);
	CHECK(passes(&m, b));
	multicast_set(&m, true);
	CHECK(passes(&m, a));
	CHECK(!passes(&m, b));
}

static void sixty_four_are_enough(void)
{
	struct multicast m;
	uint8_t a[6];
	int i;

	multicast_init(&m);
	multicast_set(&m, true);
	for (i = 0; i < 64; i++) {
		make(a, i);
		CHECK_EQ(multicast_add(&m, a), MULTICAST_DONE);
	}
	make(a, 64);
	CHECK_EQ(multicast_add(&m, a), MULTICAST_FULL);
	CHECK(!passes(&m, a));
	make(a, 63); /* is there already */
	CHECK_EQ(multicast_add(&m, a), MULTICAST_DONE);
	make(a, 17);
	multicast_remove(&m, a);
	make(a, 64);
	CHECK_EQ(multicast_add(&m, a), MULTICAST_DONE);
	CHECK(passes(&m, a));
	for (i = 0; i < 65; i++) {
		make(a, i);
		CHECK_EQ(passes(&m, a), i != 17);
	}
}

static void an_address_counts_once(void)
{
	struct multicast m;
	uint8_t a[6];
	int i;

	multicast_init(&m);
	multicast_set(&m, true);
	make(a, 1);
	for (i = 0; i < 100; i++)
		CHECK_EQ(multicast_add(&m, a), MULTICAST_DONE);
	multicast_remove(&m, a);
	CHECK(!passes(&m, a));
}

static void only_multicast_is_taken(void)
{
	static const uint8_t zero[6];
	struct multicast m;
	uint8_t a[6];

	multicast_init(&m);
	multicast_set(&m, true);
	CHECK_EQ(multicast_add(&m, unicast), MULTICAST_NOT);
	CHECK_EQ(multicast_add(&m, zero), MULTICAST_NOT);
	make(a, 1);
	multicast_remove(&m, a); /* absent */
	multicast_remove(&m, zero);
	CHECK_EQ(multicast_add(&m, a), MULTICAST_DONE);
	CHECK(passes(&m, a));
}

static void a_frame_without_an_address_passes(void)
{
	uint8_t *bytes = malloc(5);
	struct multicast m;

	multicast_init(&m);
	multicast_set(&m, true);
	memset(bytes, 1, 5);
	CHECK(multicast_passes(&m, bytes, 5));
	free(bytes);
}

int main(void)
{
	without_a_request_everything_passes();
	only_listed_multicast_passes();
	the_request_may_come_and_go();
	sixty_four_are_enough();
	an_address_counts_once();
	only_multicast_is_taken();
	a_frame_without_an_address_passes();
	return 0;
}
