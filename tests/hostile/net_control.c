/* SPDX-License-Identifier: MIT */
/*
 * The control ring: numbers out of bounds, near 2^32 (XSA-270), of queues that there are
 * not, unknown messages, pages that are not granted, and a storm. Each has its status;
 * none is fatal. Prints how many messages were sent.
 */
#include <string.h>

#include "net_hostile.h"

#define OKAY	 XEN_NETIF_CTRL_STATUS_SUCCESS
#define INVALID	 XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER
#define OVERFLOW XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW
#define UNKNOWN	 XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED
#define ENTRIES	 128 /* of the control ring */
#define STORM	 20000

static struct net_guest guest;
static unsigned int sent;
static uint32_t ref;

static void expect(uint32_t status, uint16_t type, uint32_t a, uint32_t b, uint32_t c)
{
	const uint32_t data[3] = { a, b, c };
	uint32_t got, unused;

	CHECK(!netfront_control(guest.front, type, data, &got, &unused));
	if (got != status)
		fprintf(stderr, "type %u (%#x, %#x, %#x): %u, not %u\n", type, a, b, c,
			got, status);
	CHECK(got == status);
	sent++;
}

static void before_an_algorithm(void)
{
	expect(UNKNOWN, XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS, 0, 0, 0);
	expect(INVALID, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 1, 0, 0);
	expect(INVALID, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, 2, 0, 0);
	expect(INVALID, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM, UINT32_MAX, 0, 0);
	expect(OKAY, XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM,
	       XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ, 0, 0);
	expect(INVALID, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 1 << 4, 0, 0);
	expect(OKAY, XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS, 0xf, 0, 0);
}

static void keys(void)
{
	const uint16_t type = XEN_NETIF_CTRL_TYPE_SET_HASH_KEY;

	expect(OKAY, type, ref, 40, 0);
	expect(OKAY, type, ref, 0, 0);
	expect(OVERFLOW, type, ref, 41, 0);
	expect(OVERFLOW, type, ref, UINT32_MAX, 0);
	expect(OVERFLOW, type, ref, 4097, 0);
	expect(INVALID, type, 0x7fffffff, 40, 0);
	expect(INVALID, type, UINT32_MAX, 1, 0);
}

static void mapping(const uint32_t *entries, uint32_t count, uint32_t first,
		    uint32_t status)
{
	uint32_t got;

	CHECK(!netfront_hash_set_mapping(guest.front, entries, count, first, &got));
	CHECK(got == status);
	sent++;
}

static void mappings(void)
{
	const uint16_t size = XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE;
	const uint16_t set = XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING;
	uint32_t entries[NETFRONT_PAGE_SIZE / 4] = { 0 }; /* as much as is copied */

	expect(INVALID, set, ref, 1, 0); /* of a mapping that has no size yet */
	expect(INVALID, size, 129, 0, 0);
	expect(INVALID, size, UINT32_MAX, 0, 0);
	expect(OKAY, size, 128, 0, 0);
	mapping(entries, 128, 0, OKAY);
	mapping(entries, 129, 0, OVERFLOW);
	mapping(entries, 128, 1, INVALID);
	mapping(entries, 1, 127, OKAY);
	mapping(entries, 1, 128, INVALID);
	mapping(entries, 0, 128, OKAY);
	/* XSA-270: the end wraps to where it would be right. */
	mapping(entries, 2, UINT32_MAX, INVALID);
	mapping(entries, 128, UINT32_MAX - 127, INVALID);
	mapping(entries, UINT32_MAX, 1, OVERFLOW);
	mapping(entries, 0x40000001, 0, OVERFLOW); /* times four wraps, too */
	mapping(entries, UINT32_MAX, UINT32_MAX, OVERFLOW);
	entries[0] = 2; /* of two queues */
	mapping(entries, 1, 0, INVALID);
	entries[0] = UINT32_MAX;
	mapping(entries, 1, 0, INVALID);
	entries[0] = 1;
	mapping(entries, 1, 0, OKAY);
	expect(INVALID, set, 0x7fffffff, 1, 0);
	expect(OKAY, size, 0, 0, 0);
	expect(INVALID, set, ref, 1, 0);
}

static void unknown(void)
{
	static const uint16_t types[] = { 0, 8, 9, 10, 11, 0x7fff, 0xffff };

	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		expect(UNKNOWN, types[i], ref, ref, ref);
}

/* As fast as the ring takes them, each answered with every byte in its place (XSA-216).
 */
static void storm(void)
{
	unsigned int asked = 0, answered = 0;
	uint8_t bytes[16];

	while (answered < STORM) {
		for (; asked < STORM && asked - answered < ENTRIES; asked++) {
			struct xen_netif_ctrl_request r = {
				.id = asked, .type = 77, .data = { 1, 2, 0x5a5a5a5a }
			};

			netfront_raw_request(guest.queue, NETFRONT_RING_CONTROL, &r,
					     sizeof(r));
		}
		struct netfront_raw raw;

		netfront_ring_raw(guest.queue, NETFRONT_RING_CONTROL, &raw);
		__atomic_store_n((uint32_t *)raw.page, raw.req_prod, __ATOMIC_RELEASE);
		netfront_raw_notify(guest.queue, NETFRONT_RING_CONTROL);
		CHECK(netfront_raw_response(guest.queue, NETFRONT_RING_CONTROL, ANSWER_MS,
					    bytes));
		const struct xen_netif_ctrl_response *a = (const void *)bytes;

		CHECK(a->id == (uint16_t)answered && a->type == 77);
		CHECK(a->status == UNKNOWN && !a->data);
		CHECK(((const uint32_t *)bytes)[3] == 0x5a5a5a5a);
		answered++;
	}
	sent += STORM;
}

int main(void)
{
	void *page;
	int64_t got;

	net_guest_connect((struct netfront_config){ .queues = 2,
						    .features = NETFRONT_CONTROL },
			  &guest);
	got = netfront_raw_page(guest.queue, false, &page);
	CHECK(got >= 0);
	ref = got;
	before_an_algorithm();
	keys();
	mappings();
	unknown();
	storm();
	net_send_good(&guest);
	CHECK(net_backend_state(&guest) == 4);
	printf("%u\n", sent);
	net_guest_end(&guest);
	return 0;
}
