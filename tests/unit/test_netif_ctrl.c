/* SPDX-License-Identifier: MIT */
/*
 * The control ring: each message with the answer that netif.h defines, at its bounds and
 * just past them; and each byte of the response.
 */
#include "check.h"

#include "netif_wire.h"
#include "ring_in_flight.h"

#define ID 0xfedc

/* What netif.h calls them. */
#define ALGORITHM   7
#define GET_FLAGS   1
#define SET_FLAGS   2
#define KEY	    3
#define GET_SIZE    4
#define SET_SIZE    5
#define MAPPING	    6
#define OK	    0
#define UNSUPPORTED 1
#define INVALID	    2
#define OVERFLOW    3

static const struct net_hash_limits fresh = { .algorithm = 0, .mapping_size = 0 };
static const struct net_hash_limits toeplitz = { .algorithm = 1, .mapping_size = 64 };
static const struct net_hash_limits largest = { .algorithm = 1, .mapping_size = 128 };

static const struct row {
	const char *rule;
	const struct net_hash_limits *limits;
	uint16_t type;
	uint32_t data[3];
	uint32_t status;
	enum net_ctrl_op op;
	uint32_t value, count, first;
	uint16_t length; /* of what is fetched */
} rows[] = {
	{ "no algorithm",
	  &toeplitz,
	  ALGORITHM,
	  { 0 },
	  OK,
	  NET_CTRL_SET_ALGORITHM,
	  0,
	  0,
	  0,
	  0 },
	{ "Toeplitz", &fresh, ALGORITHM, { 1 }, OK, NET_CTRL_SET_ALGORITHM, 1, 0, 0, 0 },
	{ "algorithm 2", &fresh, ALGORITHM, { 2 }, INVALID, 0, 0, 0, 0, 0 },
	{ "algorithm 2^32-1", &fresh, ALGORITHM, { UINT32_MAX }, INVALID, 0, 0, 0, 0, 0 },

	{ "get flags", &toeplitz, GET_FLAGS, { 0 }, OK, NET_CTRL_GET_FLAGS, 0, 0, 0, 0 },
	{ "get flags before an algorithm",
	  &fresh,
	  GET_FLAGS,
	  { 0 },
	  UNSUPPORTED,
	  0,
	  0,
	  0,
	  0,
	  0 },

	{ "no flags", &toeplitz, SET_FLAGS, { 0 }, OK, NET_CTRL_SET_FLAGS, 0, 0, 0, 0 },
	{ "every flag",
	  &toeplitz,
	  SET_FLAGS,
	  { 15 },
	  OK,
	  NET_CTRL_SET_FLAGS,
	  15,
	  0,
	  0,
	  0 },
	{ "one flag too many", &toeplitz, SET_FLAGS, { 16 }, INVALID, 0, 0, 0, 0, 0 },
	{ "flags 2^32-1", &toeplitz, SET_FLAGS, { UINT32_MAX }, INVALID, 0, 0, 0, 0, 0 },
	{ "flags before an algorithm", &fresh, SET_FLAGS, { 1 }, INVALID, 0, 0, 0, 0, 0 },
	{ "no flags before an algorithm",
	  &fresh,
	  SET_FLAGS,
	  { 0 },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },

	{ "no key", &fresh, KEY, { 77, 0 }, OK, NET_CTRL_SET_KEY, 0, 0, 0, 0 },
	{ "a key of 1 byte", &fresh, KEY, { 77, 1 }, OK, NET_CTRL_SET_KEY, 0, 1, 0, 1 },
	{ "a key of 40 bytes",
	  &toeplitz,
	  KEY,
	  { 77, 40 },
	  OK,
	  NET_CTRL_SET_KEY,
	  0,
	  40,
	  0,
	  40 },
	{ "a key of 41 bytes", &toeplitz, KEY, { 77, 41 }, OVERFLOW, 0, 0, 0, 0, 0 },
	{ "a key of 65576 bytes, 40 in 16 bits",
	  &toeplitz,
	  KEY,
	  { 77, 65576 },
	  OVERFLOW,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "a key of 2^32-1 bytes",
	  &toeplitz,
	  KEY,
	  { 77, UINT32_MAX },
	  OVERFLOW,
	  0,
	  0,
	  0,
	  0,
	  0 },

	{ "get mapping size",
	  &fresh,
	  GET_SIZE,
	  { 0 },
	  OK,
	  NET_CTRL_GET_MAPPING_SIZE,
	  0,
	  0,
	  0,
	  0 },
	{ "no mapping",
	  &toeplitz,
	  SET_SIZE,
	  { 0 },
	  OK,
	  NET_CTRL_SET_MAPPING_SIZE,
	  0,
	  0,
	  0,
	  0 },
	{ "a mapping of 128",
	  &fresh,
	  SET_SIZE,
	  { 128 },
	  OK,
	  NET_CTRL_SET_MAPPING_SIZE,
	  128,
	  0,
	  0,
	  0 },
	{ "a mapping of 129", &fresh, SET_SIZE, { 129 }, INVALID, 0, 0, 0, 0, 0 },
	{ "a mapping of 2^32-1",
	  &fresh,
	  SET_SIZE,
	  { UINT32_MAX },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },

	{ "a whole mapping",
	  &toeplitz,
	  MAPPING,
	  { 77, 64, 0 },
	  OK,
	  NET_CTRL_SET_MAPPING,
	  0,
	  64,
	  0,
	  256 },
	{ "the largest mapping",
	  &largest,
	  MAPPING,
	  { 77, 128, 0 },
	  OK,
	  NET_CTRL_SET_MAPPING,
	  0,
	  128,
	  0,
	  512 },
	{ "the last entry",
	  &toeplitz,
	  MAPPING,
	  { 77, 1, 63 },
	  OK,
	  NET_CTRL_SET_MAPPING,
	  0,
	  1,
	  63,
	  4 },
	{ "no entries at the end",
	  &toeplitz,
	  MAPPING,
	  { 77, 0, 64 },
	  OK,
	  NET_CTRL_SET_MAPPING,
	  0,
	  0,
	  64,
	  0 },
	{ "no entries past the end",
	  &toeplitz,
	  MAPPING,
	  { 77, 0, 65 },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "one entry past the end",
	  &toeplitz,
	  MAPPING,
	  { 77, 1, 64 },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "one entry too many",
	  &toeplitz,
	  MAPPING,
	  { 77, 65, 0 },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "one too many from the second",
	  &toeplitz,
	  MAPPING,
	  { 77, 64, 1 },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "entries without a mapping",
	  &fresh,
	  MAPPING,
	  { 77, 1, 0 },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "129 entries", &largest, MAPPING, { 77, 129, 0 }, OVERFLOW, 0, 0, 0, 0, 0 },
	{ "XSA-270: offset + length is 2^32",
	  &toeplitz,
	  MAPPING,
	  { 77, 1, UINT32_MAX },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "XSA-270: offset + length wraps into the table",
	  &toeplitz,
	  MAPPING,
	  { 77, 64, UINT32_MAX - 31 },
	  INVALID,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "XSA-270: length near 2^32",
	  &toeplitz,
	  MAPPING,
	  { 77, UINT32_MAX - 31, 64 },
	  OVERFLOW,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "XSA-270: length whose bytes wrap",
	  &toeplitz,
	  MAPPING,
	  { 77, 0x40000001, 0 },
	  OVERFLOW,
	  0,
	  0,
	  0,
	  0,
	  0 },

	{ "type 0", &toeplitz, 0, { 0 }, UNSUPPORTED, 0, 0, 0, 0, 0 },
	{ "static grants: size", &toeplitz, 8, { 0 }, UNSUPPORTED, 0, 0, 0, 0, 0 },
	{ "static grants: add", &toeplitz, 9, { 0, 77, 1 }, UNSUPPORTED, 0, 0, 0, 0, 0 },
	{ "static grants: remove",
	  &toeplitz,
	  10,
	  { 0, 77, 1 },
	  UNSUPPORTED,
	  0,
	  0,
	  0,
	  0,
	  0 },
	{ "type 11", &toeplitz, 11, { 0 }, UNSUPPORTED, 0, 0, 0, 0, 0 },
	{ "type 257, 1 in 8 bits", &toeplitz, 257, { 0 }, UNSUPPORTED, 0, 0, 0, 0, 0 },
	{ "type 65535", &toeplitz, 65535, { 0 }, UNSUPPORTED, 0, 0, 0, 0, 0 },
};

#define ROW_EQ(is, should)                                                               \
	do {                                                                             \
		if ((is) != (should))                                                    \
			fprintf(stderr, "%s: ", row->rule);                              \
		CHECK_EQ(is, should);                                                    \
	} while (0)

static void check_row(const struct row *row)
{
	uint8_t odd[WIRE_CTRL_SLOT + 1];
	struct net_ctrl_request r;
	uint32_t status;

	/* At an odd address, as nothing promises more. */
	wire_ctrl(odd + 1, ID, row->type, row->data[0], row->data[1], row->data[2]);
	memset(&r, WIRE_POISON, sizeof(r));
	status = netif_decode_ctrl(odd + 1, row->limits, &r);
	ROW_EQ(status, row->status);
	ROW_EQ(r.id, ID);
	ROW_EQ(r.raw_type, row->type);
	if (status != OK)
		return;
	ROW_EQ(r.op, row->op);
	if (row->op == NET_CTRL_SET_ALGORITHM || row->op == NET_CTRL_SET_FLAGS ||
	    row->op == NET_CTRL_SET_MAPPING_SIZE)
		ROW_EQ(r.value, row->value);
	if (row->op != NET_CTRL_SET_KEY && row->op != NET_CTRL_SET_MAPPING)
		return;
	ROW_EQ(r.count, row->count);
	ROW_EQ(r.fetch.gref, 77);
	ROW_EQ(r.fetch.offset, 0);
	ROW_EQ(r.fetch.length, row->length);
	if (row->op == NET_CTRL_SET_MAPPING)
		ROW_EQ(r.first, row->first);
}

/* netif.h wants zeros in what a message does not use; nobody looks, as in xen-netback. */
static void unused_words_are_not_looked_at(void)
{
	uint8_t slot[WIRE_CTRL_SLOT];
	struct net_ctrl_request r;

	wire_ctrl(slot, ID, GET_SIZE, 1, 2, UINT32_MAX);
	CHECK_EQ(netif_decode_ctrl(slot, &fresh, &r), OK);
	wire_ctrl(slot, ID, ALGORITHM, 1, 2, UINT32_MAX);
	CHECK_EQ(netif_decode_ctrl(slot, &fresh, &r), OK);
	wire_ctrl(slot, ID, KEY, 1, 2, UINT32_MAX);
	CHECK_EQ(netif_decode_ctrl(slot, &fresh, &r), OK);
}

/* ---- on the ring ---- */

/* XSA-216: 12 bytes, all meant; the rest of the slot is the guest's own. A storm of
 * requests goes round the ring and gets an answer each. */
static void each_request_gets_one_response(void)
{
	static struct wire_front front;
	struct ring ctrl;
	unsigned int i;

	CHECK_EQ(wire_start(&front, &ctrl, WIRE_CTRL_SLOT, 128, UINT32_MAX - 60), 0);
	CHECK_EQ(ctrl.size, 128);
	for (i = 0; i < 100000; i++) {
		uint8_t *slot = wire_next(&front), copy[WIRE_CTRL_SLOT];
		struct net_ctrl_request r;
		uint32_t status;

		wire_ctrl(slot, i, i % 12, i, i, i);
		wire_publish(&front);
		CHECK_EQ(ring_pop(&ctrl, copy), RING_REQUEST);
		status = netif_decode_ctrl(copy, &toeplitz, &r);
		netif_answer_ctrl(&ctrl, &r, status, 0x80000000 + i);
		ring_push(&ctrl);
		CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_ID, 2), (uint16_t)i);
		CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_TYPE, 2), i % 12);
		CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_STATUS, 4), status);
		CHECK_EQ(wire_get(slot, WIRE_CTRL_RSP_DATA, 4), 0x80000000 + i);
		CHECK_EQ(wire_get(slot, WIRE_CTRL_RESPONSE, 4), i);
		CHECK_EQ(ring_in_flight(&ctrl), 0);
	}
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	unused_words_are_not_looked_at();
	each_request_gets_one_response();
	return 0;
}
