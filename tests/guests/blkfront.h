/* SPDX-License-Identifier: MIT */
/*
 * A block frontend in user space: it owns one device's rings, event channels and granted
 * pages, and checks everything the backend sends. Programs and tests that play a guest
 * call it. A queue is used by one thread at a time; the rest of a device (state, resize)
 * by one other thread.
 */
#ifndef BLKFRONT_H
#define BLKFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/blkif.h>

#define BLKFRONT_PAGE_SIZE 4096u
#define BLKFRONT_SECTOR                                                                  \
	512u /* the unit of every sector field, whatever sector-size says */
#define BLKFRONT_MAX_QUEUES	64u
#define BLKFRONT_MAX_RING_ORDER 5u
/* Eight indirect pages of 512 segments (blkif.h, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST).
 */
#define BLKFRONT_MAX_SEGMENTS 4096u
/* BLKIF_OP_READ .. BLKIF_OP_DISCARD index the counters */
#define BLKFRONT_NR_OPS 6u

struct blkfront;
struct blkfront_queue;

/**
 * enum blkfront_grants - where the pages of a request come from
 * @BLKFRONT_GRANTS_PERSISTENT: own LIFO pool, `feature-persistent` written
 * @BLKFRONT_GRANTS_REUSED: the same pool, but the backend is not told
 * @BLKFRONT_GRANTS_EACH: shared for each request and unshared after it; what the backend
 *only reads is granted read-only
 */
enum blkfront_grants {
	BLKFRONT_GRANTS_PERSISTENT,
	BLKFRONT_GRANTS_REUSED,
	BLKFRONT_GRANTS_EACH,
};

/**
 * enum blkfront_violation - what a backend must never do
 * @BLKFRONT_BAD_ID: a response whose id is not in flight (unknown or answered twice)
 * @BLKFRONT_BAD_OPERATION: a response's operation is not the (inner) one sent
 * @BLKFRONT_BAD_STATUS: a status that blkif.h does not define
 * @BLKFRONT_BAD_PRODUCER: more responses than requests; the queue is dead afterwards
 * @BLKFRONT_DIRTY_PADDING: padding of a response is not zero (XSA-216)
 * @BLKFRONT_OVERRUN: a granted page was written outside the request's segments
 * @BLKFRONT_NR_VIOLATIONS: their number
 */
enum blkfront_violation {
	BLKFRONT_BAD_ID,
	BLKFRONT_BAD_OPERATION,
	BLKFRONT_BAD_STATUS,
	BLKFRONT_BAD_PRODUCER,
	BLKFRONT_DIRTY_PADDING,
	BLKFRONT_OVERRUN,
	BLKFRONT_NR_VIOLATIONS,
};

/**
 * enum blkfront_event - what blkfront_service() found
 * @BLKFRONT_EVENT_NONE: nothing
 * @BLKFRONT_EVENT_RESIZED: blkfront_info() has a new number of sectors
 * @BLKFRONT_EVENT_CLOSING: the backend wants to go: drain the queues, then
 * blkfront_disconnect()
 */
enum blkfront_event {
	BLKFRONT_EVENT_NONE,
	BLKFRONT_EVENT_RESIZED,
	BLKFRONT_EVENT_CLOSING,
};

/* Called in the transaction that publishes our keys, after them; hostile tests spoil keys
 * here. */
typedef void blkfront_publish_fn(struct xs_handle *store, xs_transaction_t transaction,
				 const char *frontend_dir, void *arg);

/**
 * struct blkfront_config - what a guest asks for
 * @devid: number of the virtual device (`device/vbd/<devid>`)
 * @queues: 0 or 1: single queue, no multi-queue key; more: clamped to the backend's
 *maximum, an error if it offers none
 * @ring_order: log2 of the pages of a ring; clamped likewise
 * @grants: where pages come from
 * @indirect_segments: most segments of an indirect request; 0: none; clamped likewise
 * @protocol: "x86_64-abi", "x86_32-abi", or NULL: no key is written and the layout is
 *x86_32, Linux' default on x86
 * @pool_pages: most granted pages of one queue; 0: enough for a full ring, at most 4096
 * @timeout_ms: for each wait of the handshake; 0: 20 s
 * @store: a shared xenstore connection, or NULL: an own one. With a shared one no watch
 *is set and the backend's state is polled, so that hundreds of devices fit in a guest's
 *quota
 * @state_poll_ms: how often it is then read while waiting; 0: 5 ms
 * @force: send even what the device did not offer or does not allow (writes to a
 *read-only device, past the end, discard, ...)
 * @poison: fill the pages of a read before it and check afterwards that nothing outside
 *its segments was written
 * @publish: NULL or see blkfront_publish_fn
 * @publish_arg: its argument
 */
struct blkfront_config {
	uint32_t devid;
	uint32_t queues;
	uint32_t ring_order;
	enum blkfront_grants grants;
	uint32_t indirect_segments;
	const char *protocol;
	uint32_t pool_pages;
	uint32_t timeout_ms;
	struct xs_handle *store;
	uint32_t state_poll_ms;
	bool force;
	bool poison;
	blkfront_publish_fn *publish;
	void *publish_arg;
};

/**
 * struct blkfront_info - what was negotiated and what the device is
 * @backend: the backend's directory
 * @backend_id: the backend's domain
 * @queues: number of queues in use
 * @ring_order: log2 of the pages of a ring in use
 * @ring_entries: requests that fit in a ring
 * @max_segments: segments of the largest request we send
 * @max_queues: `multi-queue-max-queues`, 0 if absent
 * @max_ring_order: from `max-ring-page-order` or `max-ring-pages`
 * @max_indirect: `feature-max-indirect-segments`, 0 if absent
 * @persistent: `feature-persistent` of the backend
 * @barrier: `feature-barrier`
 * @flush: `feature-flush-cache`
 * @discard: `feature-discard`
 * @discard_secure: `discard-secure`
 * @discard_granularity: bytes
 * @discard_alignment: bytes
 * @sectors: capacity in 512-byte sectors
 * @sector_size: bytes
 * @physical_sector_size: bytes
 * @flags: `info` (VDISK_CDROM, VDISK_REMOVABLE, VDISK_READONLY)
 * @resizes: how often the number of sectors changed while connected
 */
struct blkfront_info {
	char backend[128];
	uint32_t backend_id;
	uint32_t queues;
	uint32_t ring_order;
	uint32_t ring_entries;
	uint32_t max_segments;
	uint32_t max_queues;
	uint32_t max_ring_order;
	uint32_t max_indirect;
	bool persistent;
	bool barrier;
	bool flush;
	bool discard;
	bool discard_secure;
	uint32_t discard_granularity;
	uint32_t discard_alignment;
	uint64_t sectors;
	uint32_t sector_size;
	uint32_t physical_sector_size;
	uint32_t flags;
	uint32_t resizes;
};

/**
 * struct blkfront_stats - exact counts, of one queue or of a device
 * @requests: pushed on the ring, by (inner) operation
 * @bytes: asked for by them, by operation
 * @indirect: of the requests, those sent as BLKIF_OP_INDIRECT
 * @segments: of all requests
 * @completed: responses that answered a request
 * @okay: of those, with BLKIF_RSP_OKAY
 * @error: with BLKIF_RSP_ERROR
 * @eopnotsupp: with BLKIF_RSP_EOPNOTSUPP
 * @events_received: event-channel events read
 * @events_empty: of those, without a new response
 * @events_sent: notifications sent
 * @pages_granted: pages shared with the backend, ever
 * @violations: see enum blkfront_violation
 */
struct blkfront_stats {
	uint64_t requests[BLKFRONT_NR_OPS];
	uint64_t bytes[BLKFRONT_NR_OPS];
	uint64_t indirect;
	uint64_t segments;
	uint64_t completed;
	uint64_t okay;
	uint64_t error;
	uint64_t eopnotsupp;
	uint64_t events_received;
	uint64_t events_empty;
	uint64_t events_sent;
	uint64_t pages_granted;
	uint64_t violations[BLKFRONT_NR_VIOLATIONS];
};

/**
 * struct blkfront_io - one ring request
 * @op: BLKIF_OP_READ, _WRITE, _WRITE_BARRIER, _FLUSH_DISKCACHE or _DISCARD
 * @discard_flag: BLKIF_DISCARD_SECURE or 0
 * @page_offset: bytes in front of the data in its first page (gives a first_sect above 0)
 * @sector: first sector, 512-byte units
 * @len: bytes; 0 for a flush, may be 0 for a barrier
 * @buf: the data; a read's must stay until its completion
 * @cookie: handed to the completion
 */
struct blkfront_io {
	uint8_t op;
	uint8_t discard_flag;
	uint16_t page_offset;
	uint64_t sector;
	uint64_t len;
	void *buf;
	void *cookie;
};

/* A completion: @status is what the backend sent (BLKIF_RSP_OKAY, ...). May submit again.
 */
typedef void blkfront_done_fn(void *cookie, int status, void *arg);

/**
 * blkfront_new() - a frontend that is not connected yet
 * @config: copied
 * @ret_front: the frontend
 *
 * Return: 0, -ENOMEM, or -errno of opening xenstore.
 */
int blkfront_new(const struct blkfront_config *config, struct blkfront **ret_front);

/**
 * blkfront_connect() - the whole handshake of blkif.h, up to Connected on both sides
 * @front: not connected; what an earlier, dead frontend left behind is reset first
 *
 * Return: 0, -ENOENT: no such device, -EOPNOTSUPP: the backend does not offer what the
 * configuration asks for, -ETIMEDOUT, -ECONNREFUSED: the backend closed instead, or
 * another -errno. blkfront_why() says more.
 */
int blkfront_connect(struct blkfront *front);

/**
 * blkfront_disconnect() - Closing, Closed, wait for the backend, give everything back
 * @front: NULL, or a frontend in any state; no other thread may use its queues any more.
 *	Requests still in flight are waited for; their completions are not called.
 *
 * Return: 0, or -ETIMEDOUT if the backend did not answer or did not close (everything is
 *given back all the same).
 */
int blkfront_disconnect(struct blkfront *front);

/**
 * blkfront_free() - disconnect if needed, and free
 * @front: may be NULL
 */
void blkfront_free(struct blkfront *front);

/**
 * blkfront_service() - follow the state of the backend
 * @front: connected
 * @timeout_ms: how long to wait for news
 *
 * Return: enum blkfront_event, or -errno of xenstore.
 */
int blkfront_service(struct blkfront *front, int timeout_ms);

/**
 * blkfront_why() - a sentence about the last failure
 * @front: a frontend
 *
 * Return: a string that lives as long as @front; empty if nothing failed.
 */
const char *blkfront_why(const struct blkfront *front);

/**
 * blkfront_info() - what was negotiated
 * @front: connected
 * @ret_info: a consistent copy
 */
void blkfront_info(struct blkfront *front, struct blkfront_info *ret_info);

/**
 * blkfront_sectors() - the capacity now, 512-byte units; any thread
 * @front: connected
 *
 * Return: sectors.
 */
uint64_t blkfront_sectors(const struct blkfront *front);

/**
 * blkfront_max_bytes() - the largest read or write that is one ring request
 * @front: connected
 *
 * Return: bytes, a multiple of the page size (with page_offset 0).
 */
uint32_t blkfront_max_bytes(const struct blkfront *front);

/**
 * blkfront_closing() - whether the backend asked us to go; any thread
 * @front: a frontend
 *
 * Return: true once submissions are refused with -ESHUTDOWN.
 */
bool blkfront_closing(const struct blkfront *front);

/**
 * blkfront_stats() - the sum over all queues, those of earlier connections included
 * @front: a frontend whose queues no thread is using
 * @ret_stats: the sum
 */
void blkfront_stats(const struct blkfront *front, struct blkfront_stats *ret_stats);

/**
 * blkfront_violations() - the sum of @stats->violations
 * @stats: from blkfront_stats()
 *
 * Return: their number; 0 for a correct backend.
 */
uint64_t blkfront_violations(const struct blkfront_stats *stats);

/**
 * blkfront_violation_name() - for reports
 * @violation: which
 *
 * Return: a name as in JSON output ("bad_id").
 */
const char *blkfront_violation_name(enum blkfront_violation violation);

/**
 * blkfront_queue() - a queue of a connected device
 * @front: connected
 * @index: below blkfront_info.queues
 *
 * Return: the queue, valid until blkfront_disconnect().
 */
struct blkfront_queue *blkfront_queue(struct blkfront *front, uint32_t index);

/**
 * blkfront_submit() - put one request on the ring; the backend sees it at blkfront_kick()
 * @queue: a queue
 * @io: copied; a write's data too
 *
 * Return: 0; -EAGAIN: ring or pages are full, poll first; -EINVAL, -ERANGE, -EROFS,
 * -EOPNOTSUPP: the device cannot take this; -ESHUTDOWN: closing; -EPROTO: the backend
 * broke this ring.
 */
int blkfront_submit(struct blkfront_queue *queue, const struct blkfront_io *io);

/**
 * blkfront_kick() - push what was submitted, notify the backend if it asked for it
 * @queue: a queue
 */
void blkfront_kick(struct blkfront_queue *queue);

/**
 * blkfront_poll() - take responses, waiting for the first one
 * @queue: a queue
 * @timeout_ms: 0: do not wait, -1: for ever
 * @done: called for each request completed; NULL to ignore them
 * @arg: its last argument
 *
 * Return: number of completions, or -EPROTO: the backend broke this ring.
 */
int blkfront_poll(struct blkfront_queue *queue, int timeout_ms, blkfront_done_fn *done,
		  void *arg);

/**
 * blkfront_arm() - ask for an event at the next response, for callers with their own
 * poll(2)
 * @queue: a queue
 *
 * Return: true if responses are there already, so do not sleep.
 */
bool blkfront_arm(struct blkfront_queue *queue);

/**
 * blkfront_fd() - readable when the backend sent an event
 * @queue: a queue
 *
 * Return: a descriptor for poll(2).
 */
int blkfront_fd(const struct blkfront_queue *queue);

/**
 * blkfront_ack() - read and unmask the event; only after poll(2) said readable
 * @queue: a queue
 */
void blkfront_ack(struct blkfront_queue *queue);

/**
 * blkfront_in_flight() - requests submitted and not answered
 * @queue: a queue
 *
 * Return: their number.
 */
uint32_t blkfront_in_flight(const struct blkfront_queue *queue);

/**
 * struct blkfront_raw - a ring without its guard rails, for hostile tests
 * @sring: the shared ring: req_prod, req_event, rsp_prod, rsp_event, then at byte 64 the
 * entries
 * @entries: how many
 * @stride: bytes from one entry to the next
 * @response_size: bytes of a response
 * @req_prod: our private producer index
 * @rsp_cons: our private consumer index
 * @ring_refs: grant references of the ring's pages
 * @ring_pages: how many
 * @backend_id: the domain to grant to
 * @port: local event-channel port
 * @evtchn: the handle it is bound on
 * @gntshr: the handle to grant further pages with
 */
struct blkfront_raw {
	struct blkif_sring *sring;
	uint32_t entries;
	uint32_t stride;
	uint32_t response_size;
	uint32_t req_prod;
	uint32_t rsp_cons;
	const uint32_t *ring_refs;
	uint32_t ring_pages;
	uint32_t backend_id;
	evtchn_port_t port;
	xenevtchn_handle *evtchn;
	xengntshr_handle *gntshr;
};

/**
 * struct blkfront_response - a response, decoded
 * @id: as echoed
 * @operation: as answered
 * @status: BLKIF_RSP_*
 * @dirty: padding was not zero
 */
struct blkfront_response {
	uint64_t id;
	uint8_t operation;
	int16_t status;
	bool dirty;
};

/**
 * blkfront_ring_raw() - the ring as it is
 * @queue: a queue
 * @ret_raw: pointers into it, valid until blkfront_disconnect()
 */
void blkfront_ring_raw(struct blkfront_queue *queue, struct blkfront_raw *ret_raw);

/**
 * blkfront_raw_request() - arbitrary bytes as the next request, seen at blkfront_kick()
 * @queue: a queue
 * @bytes: copied over the entry, the rest of which is zeroed
 * @len: cut at the entry's size
 *
 * No check at all, not even for a full ring. Its response comes with
 * blkfront_raw_response().
 */
void blkfront_raw_request(struct blkfront_queue *queue, const void *bytes, size_t len);

/* Any request, native layout: the operation, the first byte of each, tells which it is.
 */
union blkfront_request {
	uint8_t operation;
	struct blkif_request rw;
	struct blkif_request_discard discard;
	struct blkif_request_indirect indirect;
};

/**
 * blkfront_raw_encode() - the bytes of a request in this queue's ABI
 * @queue: a queue
 * @request: native layout; its fields are not checked
 * @ret_bytes: at least 112 bytes
 *
 * Return: bytes used.
 */
size_t blkfront_raw_encode(const struct blkfront_queue *queue,
			   const union blkfront_request *request, void *ret_bytes);

/**
 * blkfront_raw_response() - the next response, unchecked
 * @queue: a queue
 * @timeout_ms: as for blkfront_poll()
 * @ret_response: the response
 *
 * Return: 1, or 0: none came in time.
 */
int blkfront_raw_response(struct blkfront_queue *queue, int timeout_ms,
			  struct blkfront_response *ret_response);

/**
 * blkfront_raw_notify() - an event, whether the backend wants it or not
 * @queue: a queue
 */
void blkfront_raw_notify(struct blkfront_queue *queue);

/**
 * blkfront_set_state() - write our xenbus state out of turn
 * @front: a frontend
 * @state: XenbusState
 *
 * Return: 0 or -errno of xenstore.
 */
int blkfront_set_state(struct blkfront *front, unsigned int state);

#endif
