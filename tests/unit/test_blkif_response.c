/* SPDX-License-Identifier: MIT */
/*
 * XSA-216: each byte of a response, padding included, is one we meant to write. Encoded
 * into poison, in every layout, and put on a ring of poison.
 */
#include "check.h"

#include "blkif_wire.h"
#include "ring.h"

#define ID UINT64_C(0x8877665544332211)

static const uint8_t okay[16] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 6 };
static const uint8_t error[16] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66,
				   0x77, 0x88, 1,    0,	   0xff, 0xff };
static const uint8_t not_supported[16] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66,
					   0x77, 0x88, 0xff, 0,	   0xfe, 0xff };

static const struct {
	uint8_t op;
	int16_t status;
	const uint8_t *bytes;
} rows[] = {
	{ BLKIF_OP_INDIRECT, BLKIF_RSP_OKAY, okay },
	{ BLKIF_OP_WRITE, BLKIF_RSP_ERROR, error },
	{ 255, BLKIF_RSP_EOPNOTSUPP, not_supported },
};

static void bytes_are_exact(const struct wire_layout *l)
{
	unsigned int i, poison;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (poison = 0; poison < 256; poison += 85) {
			uint8_t buffer[16 + 8];
			size_t size;

			memset(buffer, poison, sizeof(buffer));
			size = blkif_encode_response(l->abi, ID, rows[i].op,
						     rows[i].status, buffer);
			CHECK_EQ(size, l->response_size);
			CHECK(!memcmp(buffer, rows[i].bytes, size));
			/* The buffer's 16 bytes and not one more. */
			CHECK_EQ(buffer[16], poison);
			CHECK_EQ(buffer[23], poison);
		}
}

static void fields_are_where_the_header_has_them(const struct wire_layout *l)
{
	static const int16_t status[] = { 0, -1, -2, INT16_MIN, INT16_MAX };
	uint8_t bytes[16];
	unsigned int i, op;

	for (i = 0; i < sizeof(status) / sizeof(status[0]); i++)
		for (op = 0; op < 256; op++) {
			blkif_encode_response(l->abi, UINT64_MAX - op, op, status[i],
					      bytes);
			CHECK_EQ(wire_get(bytes, WIRE_RSP_ID, 8), UINT64_MAX - op);
			CHECK_EQ(bytes[WIRE_RSP_OPERATION], op);
			CHECK_EQ(bytes[WIRE_RSP_OPERATION + 1], 0);
			CHECK_EQ((int16_t)wire_get(bytes, WIRE_RSP_STATUS, 2), status[i]);
		}
}

/* On the ring a response covers the start of its slot; the rest stays the guest's own. */
static void ring_gets_the_response_alone(const struct wire_layout *l)
{
	static _Alignas(4096) uint8_t page[GRANT_PAGE_SIZE];
	struct ring_header *h = (void *)page;
	uint8_t *slot = page + RING_HEADER_SIZE + l->slot_size;
	uint8_t bytes[16], copy[BLK_MAX_SLOT_SIZE];
	struct ring ring;
	size_t size, i;

	memset(page, WIRE_POISON, sizeof(page));
	h->req_prod = 2;
	h->rsp_prod = 1;
	CHECK_EQ(ring_attach(&ring, page, sizeof(page), l->slot_size), 0);
	CHECK_EQ(ring_pop(&ring, copy), RING_REQUEST);
	size = blkif_encode_response(l->abi, ID, 1, BLKIF_RSP_ERROR, bytes);
	ring_respond(&ring, bytes, size);
	CHECK(!memcmp(slot, error, size));
	for (i = size; i < l->slot_size; i++)
		CHECK_EQ(slot[i], WIRE_POISON);
	CHECK_EQ(slot[-1], WIRE_POISON);
}

int main(void)
{
	unsigned int i;

	for (i = 0; i < WIRE_LAYOUTS; i++) {
		bytes_are_exact(&wire_layouts[i]);
		fields_are_where_the_header_has_them(&wire_layouts[i]);
		ring_gets_the_response_alone(&wire_layouts[i]);
	}
	return 0;
}
