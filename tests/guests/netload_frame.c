/* SPDX-License-Identifier: MIT */
/*
 * The frames netload makes, and how it knows them again: behind the headers stands a
 * stream and a number in it, and all bytes after that follow from the two. What comes in
 * is compared byte by byte; its transport checksum, hash and queue are checked as well.
 */
#include "netload.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC	     0x6e786d78u
#define TYPE_RAW     0x88b5u /* IEEE: local experimental */
#define RAW_HEADERS  PACKET_ETH_SIZE
#define QUEUE_SHIFT  6 /* a stream's number: --stream, then the queue */
#define PATTERN_STEP 0x9e3779b97f4a7c15ull

/* At the start of the payload, if there is room for it. */
struct mark {
	uint32_t magic;
	uint16_t stream;
	uint16_t len; /* of the payload */
	uint64_t number;
};

static_assert(sizeof(struct mark) == 16, "fits in a 60-byte UDP frame");

static uint64_t pattern_word(uint64_t word)
{
	word ^= word >> 31;
	word *= 0xbf58476d1ce4e5b9ull;
	return word ^ word >> 29;
}

static uint64_t pattern_start(const struct mark *mark)
{
	return (mark->number + 1) * PATTERN_STEP ^ (uint64_t)mark->stream << 32;
}

static void pattern_fill(const struct mark *mark, uint8_t *bytes, uint32_t len)
{
	uint64_t state = pattern_start(mark);

	for (; len >= 8; len -= 8, bytes += 8) {
		uint64_t word = pattern_word(state += PATTERN_STEP);

		memcpy(bytes, &word, 8);
	}
	if (len) {
		uint64_t word = pattern_word(state + PATTERN_STEP);

		memcpy(bytes, &word, len);
	}
}

static bool pattern_is(const struct mark *mark, const uint8_t *bytes, uint32_t len)
{
	uint64_t state = pattern_start(mark);
	uint64_t word;

	for (; len >= 8; len -= 8, bytes += 8) {
		word = pattern_word(state += PATTERN_STEP);
		if (memcmp(bytes, &word, 8))
			return false;
	}
	word = pattern_word(state + PATTERN_STEP);
	return !memcmp(bytes, &word, len);
}

/* Making. */

static uint8_t proto_of(const struct netload_options *options)
{
	return options->payload == PAYLOAD_TCP ? PACKET_PROTO_TCP : PACKET_PROTO_UDP;
}

/**
 * frame_maker_init() - the frames of one queue
 * @maker: to be set up
 * @options: what they are like
 * @mac: the vif's address
 * @queue: its number
 *
 * Return: 0 or -ENOMEM; frame_maker_fini() is right in both cases.
 */
int frame_maker_init(struct frame_maker *maker, const struct netload_options *options,
		     const uint8_t *mac, uint32_t queue)
{
	uint8_t *bytes = calloc(1, NETFRONT_MAX_FRAME);

	*maker = (struct frame_maker){
		.options = options,
		.bytes = bytes,
		.payload_at = RAW_HEADERS,
		.stream = (uint16_t)(options->stream << QUEUE_SHIFT | queue)
	};
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, options->dst, NETFRONT_MAC_SIZE);
	memcpy(bytes + NETFRONT_MAC_SIZE, options->own_src ? options->src : mac,
	       NETFRONT_MAC_SIZE);
	bytes[12] = TYPE_RAW >> 8;
	bytes[13] = TYPE_RAW & 0xff;
	if (options->payload != PAYLOAD_RAW)
		maker->payload_at =
			packet_put_headers(bytes, options->size, options->ipv6,
					   proto_of(options), &options->addresses);
	maker->offload.csum_blank = options->csum == CSUM_BLANK;
	maker->offload.data_validated = maker->offload.csum_blank;
	if (options->gso_size) {
		maker->offload.gso_size = options->gso_size;
		maker->offload.gso_type = options->ipv6 ? XEN_NETIF_GSO_TYPE_TCPV6
							: XEN_NETIF_GSO_TYPE_TCPV4;
	}
	return 0;
}

/**
 * frame_maker_fini() - the reverse
 * @maker: may be half built
 */
void frame_maker_fini(struct frame_maker *maker)
{
	free(maker->bytes);
}

static void put_payload(struct frame_maker *maker)
{
	uint32_t len = maker->options->size - maker->payload_at;
	uint8_t *at = maker->bytes + maker->payload_at;
	struct mark mark = { .magic = MAGIC,
			     .stream = maker->stream,
			     .len = (uint16_t)len,
			     .number = maker->next++ };

	if (maker->options->size < maker->payload_at + sizeof(mark))
		return;
	memcpy(at, &mark, sizeof(mark));
	pattern_fill(&mark, at + sizeof(mark), len - (uint32_t)sizeof(mark));
}

static void put_csum(struct frame_maker *maker)
{
	struct packet packet;

	packet_parse(maker->bytes, maker->options->size, &packet);
	if (!packet_has_csum(&packet))
		return;
	switch (maker->options->csum) {
	case CSUM_GOOD:
	case CSUM_BAD:
		packet_put_csum(maker->bytes, &packet);
		if (maker->options->csum == CSUM_BAD)
			maker->bytes[packet.csum] ^= 0x55;
		return;
	case CSUM_BLANK:
		packet_put_pseudo(maker->bytes, &packet);
		return;
	case CSUM_NONE:
		memset(maker->bytes + packet.csum, 0, 2);
		return;
	}
}

/**
 * frame_make() - the next one
 * @maker: whose bytes it stays in until the next
 * @ret_frame: ready to be sent
 */
void frame_make(struct frame_maker *maker, struct netfront_frame *ret_frame)
{
	const struct netload_options *options = maker->options;

	if (options->payload != PAYLOAD_RAW && options->flows > 1) {
		struct packet_addresses addresses = options->addresses;

		addresses.src_port += (uint16_t)(maker->next % options->flows);
		packet_put_headers(maker->bytes, options->size, options->ipv6,
				   proto_of(options), &addresses);
	}
	put_payload(maker);
	put_csum(maker);
	*ret_frame = (struct netfront_frame){ .data = maker->bytes,
					      .len = options->size,
					      .offload = maker->offload,
					      .slots = options->slots,
					      .page_offset = options->page_offset };
}

/* Checking. */

/* In what order the frames of a stream come. */
static void stream_take(struct streams *streams, const struct mark *mark)
{
	pthread_mutex_lock(&streams->lock);
	streams->of[mark->stream].received++;
	if (mark->number >= streams->of[mark->stream].next) {
		streams->of[mark->stream].missing +=
			mark->number - streams->of[mark->stream].next;
		streams->of[mark->stream].next = mark->number + 1;
	} else {
		streams->of[mark->stream].late++;
	}
	pthread_mutex_unlock(&streams->lock);
}

static void check_payload(struct streams *streams, const struct netfront_received *frame,
			  const struct packet *packet, struct check_counts *counts)
{
	uint32_t at = packet_has_csum(packet) ? packet->headers : RAW_HEADERS;
	struct mark mark;

	if (frame->len < at + sizeof(mark)) {
		counts->foreign++;
		return;
	}
	memcpy(&mark, frame->data + at, sizeof(mark));
	if (mark.magic != MAGIC || mark.len < sizeof(mark)) {
		counts->foreign++;
		return;
	}
	if (mark.len > frame->len - at ||
	    !pattern_is(&mark, frame->data + at + sizeof(mark),
			mark.len - (uint32_t)sizeof(mark))) {
		counts->bad++;
		return;
	}
	counts->good++;
	stream_take(streams, &mark);
}

static void check_csum(const struct netfront_received *frame, const struct packet *packet,
		       struct check_counts *counts)
{
	if (frame->offload.csum_blank)
		return; /* counted by the queue */
	if (!packet_has_csum(packet) || packet_csum_is_none(frame->data, packet))
		counts->csum_none++;
	else if (packet_csum_is_good(frame->data, packet))
		counts->csum_good++;
	else
		counts->csum_bad++;
}

static void check_hash(const struct netload_hash *hash, uint32_t queue,
		       const struct netfront_received *frame, const struct packet *packet,
		       struct check_counts *counts)
{
	int type = packet_hash_type(packet, hash->types);
	uint32_t value;

	if (hash->algorithm != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ || type < 0 ||
	    packet->proto == PACKET_NO_PROTO)
		return;
	value = packet_hash(frame->data, packet, type, hash->key, hash->key_size);
	if (!frame->offload.has_hash)
		counts->hash_absent++;
	else if (frame->offload.hash == value && frame->offload.hash_type == type)
		counts->hash_good++;
	else
		counts->hash_bad++;
	if (hash->mapping_size && hash->mapping[value % hash->mapping_size] != queue)
		counts->hash_queue_bad++;
}

/**
 * frame_check() - everything that can be told about a frame that came
 * @options: what was asked of the backend
 * @streams: all workers'
 * @queue: where it came
 * @frame: it
 * @counts: the worker's
 */
void frame_check(const struct netload_options *options, struct streams *streams,
		 uint32_t queue, const struct netfront_received *frame,
		 struct check_counts *counts)
{
	struct packet packet;

	packet_parse(frame->data, frame->len, &packet);
	check_payload(streams, frame, &packet, counts);
	check_csum(frame, &packet, counts);
	if (options->hash.wanted)
		check_hash(&options->hash, queue, frame, &packet, counts);
}
