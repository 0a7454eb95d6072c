/* SPDX-License-Identifier: MIT */
/*
 * A network frontend in user space: it owns one vif's rings, event channels and granted
 * pages, and checks everything the backend sends. Programs and tests that play a guest
 * call it. A queue (its transmit and its receive ring) is used by one thread at a time;
 * the rest of a device (state, control ring) by one other thread.
 */
#ifndef NETFRONT_H
#define NETFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/netif.h>

#define NETFRONT_PAGE_SIZE  4096u
#define NETFRONT_MAX_QUEUES 64u
#define NETFRONT_ENTRIES    256u /* of a transmit and of a receive ring: one page */
#define NETFRONT_MAC_SIZE   6u
/* The largest frame that a slot's 16-bit size can state (netif.h). */
#define NETFRONT_MAX_FRAME XEN_NETIF_MAX_TX_SIZE
/* All that may come in: a chain is bounded by its ring. */
#define NETFRONT_MAX_RECEIVE (NETFRONT_ENTRIES * NETFRONT_PAGE_SIZE)
#define NETFRONT_MAX_KEY     40u  /* bytes of a Toeplitz key */
#define NETFRONT_MAX_MAPPING 128u /* entries of a hash mapping */

/* Newer than the netif.h of some distributions: Linux' public copy of the header has
 * them. */
#define NETFRONT_EXTRA_XDP 5u

struct netfront;
struct netfront_queue;

/**
 * enum netfront_feature - what a guest may say or ask for, a bit each
 * @NETFRONT_SG: `feature-sg`: frames of several receive slots
 * @NETFRONT_GSO_TCPV4: `feature-gso-tcpv4`
 * @NETFRONT_GSO_TCPV6: `feature-gso-tcpv6`
 * @NETFRONT_NO_CSUM: `feature-no-csum-offload`: IPv4 checksums must be good
 * @NETFRONT_CSUM_IPV6: `feature-ipv6-csum-offload`
 * @NETFRONT_RX_NOTIFY: `feature-rx-notify`, and events for posted receive slots
 * @NETFRONT_SPLIT_EVENTS: an event channel for each ring
 * @NETFRONT_MULTICAST: `request-multicast-control`
 * @NETFRONT_CONTROL: a control ring
 * @NETFRONT_NO_RX_COPY: leave out `request-rx-copy`, which the backend must refuse
 */
enum netfront_feature {
	NETFRONT_SG = 1u << 0,
	NETFRONT_GSO_TCPV4 = 1u << 1,
	NETFRONT_GSO_TCPV6 = 1u << 2,
	NETFRONT_NO_CSUM = 1u << 3,
	NETFRONT_CSUM_IPV6 = 1u << 4,
	NETFRONT_RX_NOTIFY = 1u << 5,
	NETFRONT_SPLIT_EVENTS = 1u << 6,
	NETFRONT_MULTICAST = 1u << 7,
	NETFRONT_CONTROL = 1u << 8,
	NETFRONT_NO_RX_COPY = 1u << 9,
};

/* What Linux' netfront says. */
#define NETFRONT_USUAL                                                                   \
	(NETFRONT_SG | NETFRONT_GSO_TCPV4 | NETFRONT_GSO_TCPV6 | NETFRONT_CSUM_IPV6 |    \
	 NETFRONT_RX_NOTIFY | NETFRONT_SPLIT_EVENTS)

/**
 * enum netfront_violation - what a backend must never do
 * @NETFRONT_BAD_ID: a transmit response whose id is not in flight; a receive response in
 *another place than the request with its id
 * @NETFRONT_BAD_STATUS: a status that netif.h does not define
 * @NETFRONT_BAD_PRODUCER: more responses than requests; the ring is dead afterwards
 * @NETFRONT_DIRTY_PADDING: bytes of a response that are neither zero nor what we had
 *written there ourselves
 * @NETFRONT_BAD_NULL: NETIF_RSP_NULL without an extra in flight, or another answer than
 *that for an extra
 * @NETFRONT_BAD_SPAN: a receive slot that is empty or goes beyond its page
 * @NETFRONT_BAD_FLAGS: flags that netif.h does not define there
 * @NETFRONT_BAD_EXTRA: an extra that is unknown, doubled, or has impossible values
 * @NETFRONT_BAD_CHAIN: a received frame that is not complete at the producer index
 * @NETFRONT_NOT_OFFERED: an extra, a blank checksum or a second slot we did not offer
 * @NETFRONT_OVERRUN: a page was written outside the slot's data (with `poison`)
 * @NETFRONT_BAD_CONTROL: a control response that answers nothing, or with an unknown
 *status
 * @NETFRONT_NR_VIOLATIONS: their number
 */
enum netfront_violation {
	NETFRONT_BAD_ID,
	NETFRONT_BAD_STATUS,
	NETFRONT_BAD_PRODUCER,
	NETFRONT_DIRTY_PADDING,
	NETFRONT_BAD_NULL,
	NETFRONT_BAD_SPAN,
	NETFRONT_BAD_FLAGS,
	NETFRONT_BAD_EXTRA,
	NETFRONT_BAD_CHAIN,
	NETFRONT_NOT_OFFERED,
	NETFRONT_OVERRUN,
	NETFRONT_BAD_CONTROL,
	NETFRONT_NR_VIOLATIONS,
};

/**
 * enum netfront_event - what netfront_service() found
 * @NETFRONT_EVENT_NONE: nothing
 * @NETFRONT_EVENT_CHANGED: mtu or carrier in netfront_info() have changed
 * @NETFRONT_EVENT_CLOSING: the backend wants to go: end the queues' threads, then
 *netfront_disconnect()
 */
enum netfront_event {
	NETFRONT_EVENT_NONE,
	NETFRONT_EVENT_CHANGED,
	NETFRONT_EVENT_CLOSING,
};

/* Called in the transaction that publishes our keys, after them; hostile tests spoil keys
 * here. */
typedef void netfront_publish_fn(struct xs_handle *store, xs_transaction_t transaction,
				 const char *frontend_dir, void *arg);

/**
 * struct netfront_config - what a guest asks for
 * @devid: number of the device (`device/vif/<devid>`)
 * @queues: 0 or 1: single queue, no multi-queue key; more: clamped to the backend's
 *maximum, an error if it offers none
 * @features: of enum netfront_feature
 * @rx_slots: receive slots kept posted; 0: a full ring
 * @tx_holdoff: a transmit event only after so many responses; 0: after half of what is
 *in flight, as Linux does it
 * @rx_holdoff: likewise for received slots; 0: at the first
 * @xdp_headroom: bytes in front of a received frame; written as `xdp-headroom`
 * @timeout_ms: for each wait of the handshake; 0: 20 s
 * @force: send even what the backend did not offer
 * @poison: fill receive pages and check that only the slot's data was written
 * @publish: NULL or see netfront_publish_fn
 * @publish_arg: its argument
 */
struct netfront_config {
	uint32_t devid;
	uint32_t queues;
	uint32_t features;
	uint32_t rx_slots;
	uint32_t tx_holdoff;
	uint32_t rx_holdoff;
	uint32_t xdp_headroom;
	uint32_t timeout_ms;
	bool force;
	bool poison;
	netfront_publish_fn *publish;
	void *publish_arg;
};

/**
 * struct netfront_info - what was negotiated and what the device is
 * @backend: the backend's directory
 * @backend_id: the backend's domain
 * @mac: our address, from `mac` of our directory
 * @queues: number of queues in use
 * @split_events: two event channels for each queue
 * @control: a control ring is in use
 * @max_queues: `multi-queue-max-queues`, 0 if absent
 * @mtu: `mtu` of the backend, else of our directory, else 1500
 * @carrier: false: `carrier` says 0
 * @offers: what the backend offers, of enum netfront_feature (NETFRONT_NO_CSUM: blank
 *IPv4 checksums are not taken)
 * @rx_copy: `feature-rx-copy`
 * @rx_flip: `feature-rx-flip`
 * @dynamic_multicast: `feature-dynamic-multicast-control`
 * @xdp_headroom: `feature-xdp-headroom`
 */
struct netfront_info {
	char backend[128];
	uint32_t backend_id;
	uint8_t mac[NETFRONT_MAC_SIZE];
	uint32_t queues;
	bool split_events;
	bool control;
	uint32_t max_queues;
	uint32_t mtu;
	bool carrier;
	uint32_t offers;
	bool rx_copy;
	bool rx_flip;
	bool dynamic_multicast;
	bool xdp_headroom;
};

/**
 * struct netfront_stats - exact counts, of one queue or of a device
 * @tx_frames: pushed on the ring
 * @tx_bytes: of them
 * @tx_slots: their data slots
 * @tx_extras: their extras, and those of multicast messages
 * @tx_gso: of the frames, with a GSO extra
 * @tx_messages: multicast messages: transmit requests without data
 * @tx_okay: frames and messages answered with NETIF_RSP_OKAY in all slots
 * @tx_error: with NETIF_RSP_ERROR in one
 * @tx_dropped: with NETIF_RSP_DROPPED in one, and no error
 * @tx_null: extras answered with NETIF_RSP_NULL
 * @tx_padding_kept: responses whose padding was left as our request had it
 * @rx_posted: receive slots given to the backend
 * @rx_frames: received whole
 * @rx_bytes: of them
 * @rx_slots: data slots used, also of frames thrown away
 * @rx_extras: extras received
 * @rx_gso: frames with a GSO extra
 * @rx_hash: frames with a hash extra
 * @rx_csum_blank: frames with a blank checksum
 * @rx_error: frames thrown away because of a negative status
 * @rx_thrown: frames thrown away because of a violation
 * @tx_events: events read from the transmit (or only) channel
 * @rx_events: events read from the receive channel
 * @events_empty: of both, those without a new response in either ring
 * @tx_notified: events sent for the transmit ring
 * @rx_notified: events sent for the receive ring
 * @control_requests: sent
 * @pages_granted: pages shared with the backend, ever
 * @violations: see enum netfront_violation
 */
struct netfront_stats {
	uint64_t tx_frames;
	uint64_t tx_bytes;
	uint64_t tx_slots;
	uint64_t tx_extras;
	uint64_t tx_gso;
	uint64_t tx_messages;
	uint64_t tx_okay;
	uint64_t tx_error;
	uint64_t tx_dropped;
	uint64_t tx_null;
	uint64_t tx_padding_kept;
	uint64_t rx_posted;
	uint64_t rx_frames;
	uint64_t rx_bytes;
	uint64_t rx_slots;
	uint64_t rx_extras;
	uint64_t rx_gso;
	uint64_t rx_hash;
	uint64_t rx_csum_blank;
	uint64_t rx_error;
	uint64_t rx_thrown;
	uint64_t tx_events;
	uint64_t rx_events;
	uint64_t events_empty;
	uint64_t tx_notified;
	uint64_t rx_notified;
	uint64_t control_requests;
	uint64_t pages_granted;
	uint64_t violations[NETFRONT_NR_VIOLATIONS];
};

/**
 * struct netfront_offload - what travels with a frame besides its bytes
 * @csum_blank: the transport checksum is only that of the pseudo header
 * @data_validated: the transport checksum is known to be good
 * @gso_type: XEN_NETIF_GSO_TYPE_NONE, _TCPV4 or _TCPV6
 * @gso_size: payload bytes of a segment
 * @has_hash: a hash extra goes with it
 * @hash_type: _XEN_NETIF_CTRL_HASH_TYPE_*
 * @hash_algorithm: XEN_NETIF_CTRL_HASH_ALGORITHM_*
 * @hash: its value
 */
struct netfront_offload {
	bool csum_blank;
	bool data_validated;
	uint8_t gso_type;
	uint16_t gso_size;
	bool has_hash;
	uint8_t hash_type;
	uint8_t hash_algorithm;
	uint32_t hash;
};

/**
 * struct netfront_frame - a frame to send
 * @data: its bytes, from the Ethernet header on; copied
 * @len: how many
 * @offload: what goes with it
 * @slots: how many slots to cut it into; 0: as few as possible
 * @slot_sizes: NULL: equal ones; else @slots sizes, together @len, each within a page
 *(a size may be 0)
 * @page_offset: where the data begins in the page of each slot
 * @cookie: handed to the completion
 */
struct netfront_frame {
	const void *data;
	uint32_t len;
	struct netfront_offload offload;
	uint32_t slots;
	const uint16_t *slot_sizes;
	uint16_t page_offset;
	void *cookie;
};

/**
 * struct netfront_received - a frame that came
 * @data: its bytes; only valid during the callback
 * @len: how many
 * @offload: what came with it
 * @slots: data slots it took
 * @extras: extras it had
 */
struct netfront_received {
	uint8_t *data;
	uint32_t len;
	struct netfront_offload offload;
	uint32_t slots;
	uint32_t extras;
};

/* A frame or multicast message was answered: NETIF_RSP_OKAY, or the worst of its slots.
 */
typedef void netfront_sent_fn(void *cookie, int status, void *arg);

/* A frame came. May send. */
typedef void netfront_received_fn(const struct netfront_received *frame, void *arg);

/**
 * struct netfront_ops - what netfront_poll() calls; either may be NULL
 * @sent: a completion
 * @received: a frame
 */
struct netfront_ops {
	netfront_sent_fn *sent;
	netfront_received_fn *received;
};

/**
 * netfront_new() - a frontend that is not connected yet
 * @config: copied
 * @ret_front: the frontend
 *
 * Return: 0, -ENOMEM, or -errno of opening xenstore.
 */
int netfront_new(const struct netfront_config *config, struct netfront **ret_front);

/**
 * netfront_connect() - the whole handshake of netif.h, up to Connected on both sides
 * @front: not connected; what an earlier, dead frontend left behind is reset first
 *
 * Return: 0, -ENOENT: no such device, -EOPNOTSUPP: the backend does not offer what the
 * configuration asks for, -ETIMEDOUT, -ECONNREFUSED: the backend closed instead, or
 * another -errno. netfront_why() says more.
 */
int netfront_connect(struct netfront *front);

/**
 * netfront_disconnect() - Closing, Closed, wait for the backend, give everything back
 * @front: NULL, or a frontend in any state; no other thread may use its queues any more.
 *	Frames still in flight are waited for, what comes in meanwhile is thrown away.
 *
 * Return: 0, or -ETIMEDOUT if the backend did not answer or did not close (everything is
 *given back all the same).
 */
int netfront_disconnect(struct netfront *front);

/**
 * netfront_free() - disconnect if needed, and free
 * @front: may be NULL
 */
void netfront_free(struct netfront *front);

/**
 * netfront_service() - follow the state and keys of the backend
 * @front: connected
 * @timeout_ms: how long to wait for news
 *
 * Return: enum netfront_event, or -errno of xenstore.
 */
int netfront_service(struct netfront *front, int timeout_ms);

/**
 * netfront_why() - a sentence about the last failure
 * @front: a frontend
 *
 * Return: a string that lives as long as @front; empty if nothing failed.
 */
const char *netfront_why(const struct netfront *front);

/**
 * netfront_info() - what was negotiated
 * @front: connected
 * @ret_info: a copy
 */
void netfront_info(const struct netfront *front, struct netfront_info *ret_info);

/**
 * netfront_closing() - whether the backend asked us to go; any thread
 * @front: a frontend
 *
 * Return: true once frames are refused with -ESHUTDOWN.
 */
bool netfront_closing(const struct netfront *front);

/**
 * netfront_stats() - the sum over all queues, those of earlier connections included
 * @front: a frontend whose queues no thread is using
 * @ret_stats: the sum
 */
void netfront_stats(const struct netfront *front, struct netfront_stats *ret_stats);

/**
 * netfront_queue_stats() - of one queue of this connection
 * @queue: a queue
 *
 * Return: counters that its thread goes on writing.
 */
const struct netfront_stats *netfront_queue_stats(const struct netfront_queue *queue);

/**
 * netfront_violations() - the sum of @stats->violations
 * @stats: from netfront_stats()
 *
 * Return: their number; 0 for a correct backend.
 */
uint64_t netfront_violations(const struct netfront_stats *stats);

/**
 * netfront_violation_name() - for reports
 * @violation: which
 *
 * Return: a name as in JSON output ("bad_id").
 */
const char *netfront_violation_name(enum netfront_violation violation);

/**
 * netfront_queue() - a queue of a connected device
 * @front: connected
 * @index: below netfront_info.queues
 *
 * Return: the queue, valid until netfront_disconnect().
 */
struct netfront_queue *netfront_queue(struct netfront *front, uint32_t index);

/**
 * netfront_send() - put a frame on the transmit ring; the backend sees it at
 * netfront_kick()
 * @queue: a queue
 * @frame: copied
 *
 * Return: 0; -EAGAIN: the ring is full, poll first; -EINVAL: no chain of slots can state
 * this; -EOPNOTSUPP: the backend did not offer it; -ESHUTDOWN: closing; -EPROTO: the
 * backend broke this ring.
 */
int netfront_send(struct netfront_queue *queue, const struct netfront_frame *frame);

/**
 * netfront_multicast() - a message to the multicast filter, without data
 * @queue: a queue
 * @type: XEN_NETIF_EXTRA_TYPE_MCAST_ADD or _DEL
 * @address: six bytes
 * @cookie: handed to the completion
 *
 * Return: as netfront_send().
 */
int netfront_multicast(struct netfront_queue *queue, uint8_t type, const uint8_t *address,
		       void *cookie);

/**
 * netfront_kick() - push what was sent and posted, notify the backend if it asked for it
 * @queue: a queue
 */
void netfront_kick(struct netfront_queue *queue);

/**
 * netfront_poll() - take responses of both rings, waiting for the first one; post receive
 * slots again and kick
 * @queue: a queue
 * @timeout_ms: 0: do not wait, -1: for ever
 * @ops: callbacks; NULL to ignore what comes
 * @arg: their last argument
 *
 * Return: number of completions and frames, or -EPROTO: the backend broke a ring.
 */
int netfront_poll(struct netfront_queue *queue, int timeout_ms,
		  const struct netfront_ops *ops, void *arg);

/**
 * netfront_arm() - ask for events, for callers with their own poll(2)
 * @queue: a queue
 *
 * Return: true if what was asked for is there already, so do not sleep.
 */
bool netfront_arm(struct netfront_queue *queue);

/**
 * netfront_fd() - readable when the backend sent an event for either ring
 * @queue: a queue
 *
 * Return: a descriptor for poll(2).
 */
int netfront_fd(const struct netfront_queue *queue);

/**
 * netfront_ack() - read and unmask the event; only after poll(2) said readable
 * @queue: a queue
 */
void netfront_ack(struct netfront_queue *queue);

/**
 * netfront_tx_in_flight() - transmit ring entries without a response
 * @queue: a queue
 *
 * Return: their number, extras included.
 */
uint32_t netfront_tx_in_flight(const struct netfront_queue *queue);

/**
 * netfront_tx_room() - entries that can still be sent
 * @queue: a queue
 *
 * Return: their number; a frame takes its slots and its extras.
 */
uint32_t netfront_tx_room(const struct netfront_queue *queue);

/**
 * netfront_set_rx_slots() - post more or fewer receive slots from now on
 * @queue: a queue
 * @slots: at most NETFRONT_ENTRIES; 0: none any more
 *
 * Slots that are posted already stay so until the backend has used them.
 */
void netfront_set_rx_slots(struct netfront_queue *queue, uint32_t slots);

/**
 * netfront_set_headroom() - ask for another XDP headroom, through Reconfiguring
 * @front: connected
 * @bytes: in front of each received frame
 *
 * Return: 0, -EOPNOTSUPP, -ETIMEDOUT, or -errno of xenstore.
 */
int netfront_set_headroom(struct netfront *front, uint32_t bytes);

/* The control ring: requests are sent one at a time and waited for. Each returns 0 with
 * the backend's status in *ret_status, -EOPNOTSUPP: no control ring, -ETIMEDOUT, or
 * -EPROTO. */

/**
 * netfront_control() - any control request
 * @front: connected with NETFRONT_CONTROL
 * @type: XEN_NETIF_CTRL_TYPE_*
 * @data: three words
 * @ret_status: XEN_NETIF_CTRL_STATUS_*
 * @ret_data: the answer's word
 *
 * Return: 0 or -errno.
 */
int netfront_control(struct netfront *front, uint16_t type, const uint32_t data[3],
		     uint32_t *ret_status, uint32_t *ret_data);

/**
 * netfront_hash_set_key() - XEN_NETIF_CTRL_TYPE_SET_HASH_KEY
 * @front: connected with NETFRONT_CONTROL
 * @key: bytes
 * @len: stated length; at most a page is granted
 * @ret_status: XEN_NETIF_CTRL_STATUS_*
 *
 * Return: 0 or -errno.
 */
int netfront_hash_set_key(struct netfront *front, const uint8_t *key, uint32_t len,
			  uint32_t *ret_status);

/**
 * netfront_hash_set_mapping() - XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING
 * @front: connected with NETFRONT_CONTROL
 * @queues: queue numbers
 * @n: stated number of entries; at most a page is granted
 * @offset: of the first, in entries
 * @ret_status: XEN_NETIF_CTRL_STATUS_*
 *
 * Return: 0 or -errno.
 */
int netfront_hash_set_mapping(struct netfront *front, const uint32_t *queues, uint32_t n,
			      uint32_t offset, uint32_t *ret_status);

/* Raw access, for hostile tests. */

enum netfront_ring {
	NETFRONT_RING_TX,
	NETFRONT_RING_RX,
	NETFRONT_RING_CONTROL,
};

/**
 * struct netfront_raw - a ring without its guard rails
 * @page: the shared page: req_prod, req_event, rsp_prod, rsp_event, then at byte 64 the
 *entries
 * @entries: how many
 * @stride: bytes from one entry to the next
 * @req_prod: our private producer index
 * @rsp_cons: our private consumer index
 * @ring_ref: grant reference of the page
 * @backend_id: the domain to grant to
 * @port: local event-channel port
 * @evtchn: the handle it is bound on
 * @gntshr: the handle to grant further pages with
 */
struct netfront_raw {
	void *page;
	uint32_t entries;
	uint32_t stride;
	uint32_t req_prod;
	uint32_t rsp_cons;
	uint32_t ring_ref;
	uint32_t backend_id;
	evtchn_port_t port;
	xenevtchn_handle *evtchn;
	xengntshr_handle *gntshr;
};

/**
 * netfront_ring_raw() - a ring as it is
 * @queue: a queue
 * @which: the control ring is the device's, whichever the queue
 * @ret_raw: pointers into it, valid until netfront_disconnect()
 */
void netfront_ring_raw(struct netfront_queue *queue, enum netfront_ring which,
		       struct netfront_raw *ret_raw);

/**
 * netfront_raw_request() - arbitrary bytes as the next request, seen at netfront_kick()
 * @queue: a queue; for the receive ring, set its rx_slots to 0 first
 * @which: the ring
 * @bytes: copied over the entry, the rest of which is zeroed
 * @len: cut at the entry's size
 *
 * No check at all, not even for a full ring. Its response comes with
 * netfront_raw_response(); do not mix with netfront_send() in flight.
 */
void netfront_raw_request(struct netfront_queue *queue, enum netfront_ring which,
			  const void *bytes, size_t len);

/**
 * netfront_raw_response() - the next response, unchecked
 * @queue: a queue
 * @which: the ring
 * @timeout_ms: as for netfront_poll()
 * @ret_bytes: an entry's bytes: 12, 8 or 16
 *
 * Return: 1, or 0: none came in time.
 */
int netfront_raw_response(struct netfront_queue *queue, enum netfront_ring which,
			  int timeout_ms, void *ret_bytes);

/**
 * netfront_raw_notify() - an event, whether the backend wants it or not
 * @queue: a queue
 * @which: the ring
 */
void netfront_raw_notify(struct netfront_queue *queue, enum netfront_ring which);

/**
 * netfront_raw_page() - one more page granted to the backend
 * @queue: whose grant handle is used
 * @writable: whether the backend may write it
 * @ret_page: the page; given back by netfront_disconnect()
 *
 * Return: its grant reference, or -errno.
 */
int64_t netfront_raw_page(struct netfront_queue *queue, bool writable, void **ret_page);

/**
 * netfront_set_key() - write a key of ours out of turn
 * @front: a frontend
 * @key: in our directory
 * @value: NULL: remove it
 *
 * Return: 0 or -errno of xenstore.
 */
int netfront_set_key(struct netfront *front, const char *key, const char *value);

/**
 * netfront_set_state() - write our xenbus state out of turn
 * @front: a frontend
 * @state: XenbusState
 *
 * Return: 0 or -errno of xenstore.
 */
int netfront_set_state(struct netfront *front, unsigned int state);

#endif
