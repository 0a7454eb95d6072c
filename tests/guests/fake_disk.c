/* SPDX-License-Identifier: MIT */
/*
 * The backend of the block frontend's tests: one disk in memory, for the fake Xen of
 * fake_xen.h. It runs on the backend's thread, with the lock held.
 */
#include "fake_disk.h"
#include "blkfront_abi.h"
#include "fake_xen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/xenbus.h>

#define FRONT "/local/domain/7/device/vbd/51712"
#define BACK  "/local/domain/0/backend/vbd/7/51712"
#define PAGE  BLKFRONT_PAGE_SIZE

struct fake_disk fake_disk = { .sectors = 65536,
			       .sector_size = 512,
			       .max_queues = 4,
			       .max_ring_order = 4,
			       .max_indirect = 256,
			       .barrier = true,
			       .discard = true };

struct back_queue {
	uint8_t *pages[1u << BLKFRONT_MAX_RING_ORDER];
	uint8_t *ring;
	uint32_t entries;
	uint32_t cons;
	uint32_t prod;
	uint32_t port;
};

static uint8_t *disk;
static enum blkfront_abi abi;
static struct back_queue queues[BLKFRONT_MAX_QUEUES];
static uint32_t nr_queues;
static uint64_t served;

/* The data. */

static bool copy_segment(const struct blkif_request_segment *segment, uint8_t op,
			 uint64_t *sector, bool last)
{
	const struct fake_grant *grant = fake_grant(segment->gref);
	uint64_t n = (uint64_t)segment->last_sect - segment->first_sect + 1;
	uint8_t *page = grant->addr, *at = disk + *sector * BLKFRONT_SECTOR;

	if (!page || segment->last_sect >= PAGE / BLKFRONT_SECTOR ||
	    segment->first_sect > segment->last_sect || *sector + n > fake_disk.sectors ||
	    (op == BLKIF_OP_READ && !grant->writable))
		return false;
	page += segment->first_sect * BLKFRONT_SECTOR;
	if (op != BLKIF_OP_READ) {
		memcpy(at, page, n * BLKFRONT_SECTOR);
	} else {
		memcpy(page, at, n * BLKFRONT_SECTOR);
		page[0] ^= fake_disk.fault == FAULT_DATA && served == fake_disk.fault_at;
		if (last && fake_disk.fault == FAULT_OVERRUN &&
		    served == fake_disk.fault_at)
			grant->addr[PAGE - 1] ^= 1;
	}
	*sector += n;
	return true;
}

static bool copy_direct(const struct blkif_request *request)
{
	uint64_t sector = request->sector_number;

	for (int i = 0; i < request->nr_segments; i++)
		if (!copy_segment(&request->seg[i], request->operation, &sector,
				  i == request->nr_segments - 1))
			return false;
	return request->nr_segments <= BLKIF_MAX_SEGMENTS_PER_REQUEST;
}

static bool copy_indirect(const struct blkif_request_indirect *request)
{
	const uint32_t per_page = PAGE / sizeof(struct blkif_request_segment);
	uint64_t sector = request->sector_number;

	if (!request->nr_segments || request->nr_segments > fake_disk.max_indirect)
		return false;
	for (uint32_t i = 0; i < request->nr_segments; i++) {
		struct blkif_request_segment segment;
		uint8_t *page = fake_grant(request->indirect_grefs[i / per_page])->addr;

		if (!page)
			return false;
		memcpy(&segment, page + i % per_page * sizeof(segment), sizeof(segment));
		if (!copy_segment(&segment, request->indirect_op, &sector,
				  i == request->nr_segments - 1u))
			return false;
	}
	return true;
}

static int16_t serve(const union blkfront_request *request)
{
	bool struck = served == fake_disk.fault_at;

	if (struck && fake_disk.fault == FAULT_ERROR)
		return BLKIF_RSP_ERROR;
	if (struck && fake_disk.fault == FAULT_STALE)
		return BLKIF_RSP_OKAY;
	switch (request->operation) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE:
	case BLKIF_OP_WRITE_BARRIER:
		return copy_direct(&request->rw) ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR;
	case BLKIF_OP_FLUSH_DISKCACHE:
		return BLKIF_RSP_OKAY;
	case BLKIF_OP_DISCARD:
		if (request->discard.sector_number + request->discard.nr_sectors >
		    fake_disk.sectors)
			return BLKIF_RSP_ERROR;
		memset(disk + request->discard.sector_number * BLKFRONT_SECTOR, 0,
		       request->discard.nr_sectors * BLKFRONT_SECTOR);
		return BLKIF_RSP_OKAY;
	case BLKIF_OP_INDIRECT:
		return copy_indirect(&request->indirect) ? BLKIF_RSP_OKAY
							 : BLKIF_RSP_ERROR;
	default:
		return BLKIF_RSP_EOPNOTSUPP;
	}
}

/* The ring. Offsets by number here, as a second opinion on blkfront_abi.h.
 */

static void widen(const uint8_t *entry, union blkfront_request *ret)
{
	uint8_t *to = (uint8_t *)ret;

	memset(ret, 0, sizeof(*ret));
	if (abi == BLKFRONT_ABI_X86_64) {
		memcpy(ret, entry, 112);
		return;
	}
	memcpy(to, entry, 4);
	memcpy(to + 8, entry + 4, 16); /* id, sector_number */
	if (entry[0] == BLKIF_OP_DISCARD)
		memcpy(to + 24, entry + 20, 8);
	else if (entry[0] == BLKIF_OP_INDIRECT)
		memcpy(to + 28, entry + 24, 32);
	else
		memcpy(to + 24, entry + 20, 88);
}

static uint8_t *entry_at(const struct back_queue *queue, uint32_t index)
{
	return queue->ring + 64 +
	       (index & (queue->entries - 1)) *
		       (abi == BLKFRONT_ABI_X86_64 ? 112u : 108u);
}

static void respond(struct back_queue *queue, uint64_t id, uint8_t op, int16_t status,
		    bool dirty)
{
	uint8_t *entry = entry_at(queue, queue->prod++);

	if (!dirty)
		memset(entry, 0, abi == BLKFRONT_ABI_X86_64 ? 16 : 12);
	memcpy(entry, &id, 8);
	entry[8] = op;
	memcpy(entry + 10, &status, 2);
}

static void answer(struct back_queue *queue, const union blkfront_request *request)
{
	enum fake_fault fault =
		served == fake_disk.fault_at ? fake_disk.fault : FAULT_NONE;
	uint8_t op = request->operation == BLKIF_OP_INDIRECT
			     ? request->indirect.indirect_op
			     : request->operation;
	int16_t status = serve(request);
	uint64_t id = request->rw.id; /* at the same place in all three */

	if (fault == FAULT_ID)
		id ^= 1ull << 40;
	if (fault == FAULT_OPERATION)
		op ^= 1;
	if (fault == FAULT_STATUS)
		status = -77;
	respond(queue, id, op, status, fault == FAULT_PADDING);
	if (fault == FAULT_TWICE)
		respond(queue, id, op, status, false);
	if (fault == FAULT_PRODUCER)
		queue->prod += queue->entries;
	served++;
}

static void queue_serve(struct back_queue *queue)
{
	uint32_t *index =
		(uint32_t *)queue->ring; /* req_prod, req_event, rsp_prod, rsp_event */
	union blkfront_request request;
	uint32_t old = queue->prod;

	for (;;) {
		while (queue->cons != __atomic_load_n(&index[0], __ATOMIC_ACQUIRE)) {
			widen(entry_at(queue, queue->cons++), &request);
			answer(queue, &request);
		}
		__atomic_store_n(&index[1], queue->cons + 1, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (queue->cons == __atomic_load_n(&index[0], __ATOMIC_ACQUIRE))
			break;
	}
	__atomic_store_n(&index[2], queue->prod, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queue->prod - __atomic_load_n(&index[3], __ATOMIC_RELAXED) <
	    queue->prod - old)
		fake_raise(queue->port);
}

/* The handshake. */

static void publish_features(void)
{
	fake_publish("feature-persistent", 1);
	fake_publish("feature-flush-cache", 1);
	fake_publish("feature-barrier", fake_disk.barrier);
	fake_publish("feature-discard", fake_disk.discard);
	if (fake_disk.max_indirect)
		fake_publish("feature-max-indirect-segments", fake_disk.max_indirect);
	if (fake_disk.max_queues)
		fake_publish("multi-queue-max-queues", fake_disk.max_queues);
	if (fake_disk.max_ring_order)
		fake_publish("max-ring-page-order", fake_disk.max_ring_order);
	fake_publish("state", XenbusStateInitWait);
}

static bool queue_connect(const char *dir, uint32_t order, struct back_queue *queue)
{
	*queue = (struct back_queue){ 0 };
	for (uint32_t i = 0; i < 1u << order; i++) {
		char key[24] = "ring-ref";

		if (order)
			snprintf(key, sizeof(key), "ring-ref%" PRIu32, i);
		queue->pages[i] = fake_grant(fake_number(dir, key, 0))->addr;
		if (!queue->pages[i] ||
		    queue->pages[i] != queue->pages[0] + i * (size_t)PAGE)
			return false;
	}
	queue->ring = queue->pages[0];
	queue->entries = 32u << order;
	queue->port = fake_number(dir, "event-channel", 0);
	return fake_port_bound(queue->port);
}

static void connect_device(void)
{
	const char *protocol = fake_value(FRONT, "protocol");
	uint32_t n = fake_number(FRONT, "multi-queue-num-queues", 0);
	uint32_t order = fake_number(FRONT, "ring-page-order", 0);
	bool ok = n <= fake_disk.max_queues && order <= fake_disk.max_ring_order;

	abi = protocol && !strcmp(protocol, "x86_64-abi") ? BLKFRONT_ABI_X86_64
							  : BLKFRONT_ABI_X86_32;
	if (ok && !n)
		ok = queue_connect(FRONT, order, &queues[0]);
	for (uint32_t i = 0; ok && i < n; i++) {
		char dir[128];

		snprintf(dir, sizeof(dir), FRONT "/queue-%" PRIu32, i);
		ok = queue_connect(dir, order, &queues[i]);
	}
	if (!ok) {
		fake_publish("state", XenbusStateClosing);
		return;
	}
	nr_queues = n ? n : 1;
	fake_publish("sectors", fake_disk.sectors);
	fake_publish("sector-size", fake_disk.sector_size);
	fake_publish("info", fake_disk.info);
	fake_publish("state", XenbusStateConnected);
}

static void backend_step(void)
{
	uint32_t front = fake_number(FRONT, "state", 0);
	uint32_t back = fake_number(BACK, "state", 0);

	if (back == XenbusStateInitialising ||
	    (back == XenbusStateClosed && front == XenbusStateInitialising))
		publish_features();
	else if (back == XenbusStateInitWait && front == XenbusStateInitialised)
		connect_device();
	else if (front == XenbusStateClosing && back != XenbusStateClosing)
		fake_publish("state", XenbusStateClosing);
	else if (front == XenbusStateClosed && back == XenbusStateClosing) {
		nr_queues = 0;
		fake_publish("state", XenbusStateClosed);
	}
}

static void disk_event(uint32_t port)
{
	for (uint32_t i = 0; i < nr_queues; i++)
		if (queues[i].port == port)
			queue_serve(&queues[i]);
}

static void disk_reset(void)
{
	free(disk);
	disk = calloc(fake_disk.sectors, BLKFRONT_SECTOR);
	served = 0;
	nr_queues = 0;
}

const struct fake_backend fake_backend = { .front = FRONT,
					   .back = BACK,
					   .reset = disk_reset,
					   .step = backend_step,
					   .event = disk_event };
