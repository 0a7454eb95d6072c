/* SPDX-License-Identifier: MIT */
/*
 * What the files of netload share: its options, packets, the frames it makes and checks,
 * and the workers. A worker owns one queue; the main thread owns the device.
 */
#ifndef NETLOAD_H
#define NETLOAD_H

#include "netfront.h"
#include "netload_packet.h"

#include <jansson.h>
#include <pthread.h>

enum netload_exit {
	NETLOAD_OK,
	NETLOAD_FAILED,
	NETLOAD_USAGE,
	NETLOAD_NO_CONNECTION,
};

enum netload_mode {
	MODE_GENERATE,
	MODE_SINK,
	MODE_ECHO,
	MODE_BRIDGE,
	MODE_CONNECT,
};

/* How a generated frame's transport checksum is. */
enum netload_csum {
	CSUM_GOOD,
	CSUM_BLANK, /* only the pseudo header's sum, and the frame says so */
	CSUM_NONE,  /* UDP's 0 */
	CSUM_BAD,
};

enum netload_payload {
	PAYLOAD_RAW, /* an EtherType of its own */
	PAYLOAD_UDP,
	PAYLOAD_TCP,
};

#define MAX_MULTICAST 128u

/**
 * struct netload_hash - what the control ring is asked for
 * @wanted: any of it
 * @algorithm: XEN_NETIF_CTRL_HASH_ALGORITHM_*
 * @types: bits XEN_NETIF_CTRL_HASH_TYPE_*
 * @key: bytes
 * @key_size: how many
 * @mapping: queue numbers
 * @mapping_size: how many; 0: none is set
 */
struct netload_hash {
	bool wanted;
	uint32_t algorithm;
	uint32_t types;
	uint8_t key[64];
	uint32_t key_size;
	uint32_t mapping[256];
	uint32_t mapping_size;
};

/* @number 0: no limit; @seconds 0: no limit. */
struct netload_options {
	struct netfront_config front;
	enum netload_mode mode;
	/* frames */
	enum netload_payload payload;
	bool ipv6;
	enum netload_csum csum;
	uint32_t size;
	uint8_t dst[NETFRONT_MAC_SIZE];
	uint8_t src[NETFRONT_MAC_SIZE];
	bool own_src; /* @src was given, else the vif's */
	struct packet_addresses addresses;
	uint32_t flows;
	uint32_t slots;
	uint16_t page_offset;
	uint16_t gso_size;
	uint16_t stream;
	/* limits */
	uint64_t number;
	double seconds;
	double idle_seconds;
	double linger_seconds;
	uint64_t rate;
	uint32_t window;
	/* the rest */
	bool no_refill;
	struct netload_hash hash;
	uint8_t multicast[MAX_MULTICAST][NETFRONT_MAC_SIZE];
	uint32_t nr_multicast;
	const char *tap;
	bool tap_offload;
	const char *go; /* a file: nothing is sent before it is there */
	double hold_seconds;
	uint32_t cycles;
	bool json;
};

int options_parse(int argc, char **argv, struct netload_options *ret_options);

/* What came of the frames received, by one worker. */
struct check_counts {
	uint64_t good;	  /* ours, and every byte as it should be */
	uint64_t bad;	  /* ours, but changed */
	uint64_t foreign; /* not ours */
	uint64_t csum_good;
	uint64_t csum_bad;
	uint64_t csum_none; /* UDP's 0, or no transport checksum at all */
	uint64_t hash_good;
	uint64_t hash_bad;	 /* an extra's value is not the hash */
	uint64_t hash_absent;	 /* to be hashed, but came without an extra */
	uint64_t hash_queue_bad; /* not the queue that the mapping gives */
};

/* Where each stream is; shared by the workers. */
struct streams {
	pthread_mutex_t lock;
	struct {
		uint64_t next;
		uint64_t received;
		uint64_t missing;
		uint64_t late; /* of the missing, those that came after all */
	} of[1u << 16];
};

/* netload_frame.c */

struct frame_maker {
	const struct netload_options *options;
	uint8_t *bytes;
	uint32_t payload_at;
	uint16_t stream;
	uint64_t next;
	struct netfront_offload offload;
};

int frame_maker_init(struct frame_maker *maker, const struct netload_options *options,
		     const uint8_t *mac, uint32_t queue);
void frame_maker_fini(struct frame_maker *maker);
void frame_make(struct frame_maker *maker, struct netfront_frame *ret_frame);
void frame_check(const struct netload_options *options, struct streams *streams,
		 uint32_t queue, const struct netfront_received *frame,
		 struct check_counts *counts);

/* netload_bridge.c */

struct tap_counts {
	uint64_t to_vif;
	uint64_t to_vif_bytes;
	uint64_t to_vif_dropped;
	uint64_t to_tap;
	uint64_t to_tap_bytes;
	uint64_t to_tap_dropped;
	uint64_t blocked;   /* times the ring was full */
	uint64_t completed; /* checksums done here because the backend takes no blank one
			     */
	uint64_t unparsed;  /* a blank checksum or GSO in what is neither TCP nor UDP */
};

struct tap {
	const char *name;
	int fds[NETFRONT_MAX_QUEUES];
	uint32_t nr;
};

int tap_open(struct tap *tap, const struct netload_options *options,
	     const struct netfront_info *info);
int tap_update(const struct tap *tap, const struct netfront_info *info);
void tap_close(struct tap *tap);

/* netload_worker.c */

struct worker {
	const struct netload_options *options;
	struct netfront *front;
	struct netfront_queue *queue;
	uint32_t index;
	uint8_t mac[NETFRONT_MAC_SIZE];
	int tap_fd;
	struct streams *streams;
	uint64_t quota;	    /* frames; UINT64_MAX: no limit */
	double rate;	    /* frames per second; 0: no limit */
	uint64_t *received; /* by all workers */
	const bool *stop;
	uint32_t *running;
	pthread_t thread;
	/* the worker's own */
	struct frame_maker maker;
	uint8_t *echo; /* a frame on its way back */
	uint64_t sent;
	uint64_t unanswered;
	uint64_t refused;
	int refused_errno;
	uint64_t echo_dropped;
	uint64_t first_ns;
	uint64_t last_ns;
	struct check_counts checks;
	struct tap_counts tap;
	struct netfront_stats queue_stats;
	bool broken;
};

int worker_init(struct worker *worker);
void worker_fini(struct worker *worker);
void *worker_run(void *arg);
uint64_t worker_now_ns(void);

/* Runs in the worker's thread until it is to stop. */
void bridge_run(struct worker *worker);

/* netload_control.c */

struct control_results {
	bool done;
	int err;
	uint32_t algorithm;
	uint32_t supported;
	uint32_t flags;
	uint32_t key;
	uint32_t max_mapping;
	uint32_t mapping_size;
	uint32_t mapping;
	uint32_t multicast_okay;
	uint32_t multicast_failed;
};

int control_hash(const struct netload_options *options, struct netfront *front,
		 struct control_results *results);
int control_multicast(const struct netload_options *options, struct netfront *front,
		      struct control_results *results);
bool control_failed(const struct control_results *results);

/* netload_report.c */

json_t *report_info(const struct netfront_info *info);
json_t *report_stats(const struct netfront_stats *stats);
void report_run(const struct netload_options *options, struct netfront *front,
		const struct worker *workers, uint32_t n, const struct streams *streams,
		const struct control_results *control);
void report_print(json_t *object);

#endif
