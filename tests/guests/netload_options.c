/* SPDX-License-Identifier: MIT */
/*
 * netload's command line, parsed with argp.
 */
#include "load_options.h"
#include "netload.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
	KEY_QUEUES = 256,
	KEY_NO_SPLIT,
	KEY_NO_SG,
	KEY_NO_GSO4,
	KEY_NO_GSO6,
	KEY_NO_CSUM,
	KEY_NO_CSUM6,
	KEY_NO_RX_NOTIFY,
	KEY_RX_SLOTS,
	KEY_NO_REFILL,
	KEY_TX_HOLDOFF,
	KEY_RX_HOLDOFF,
	KEY_HEADROOM,
	KEY_POISON,
	KEY_FORCE,
	KEY_TIMEOUT,
	KEY_SIZE,
	KEY_DST,
	KEY_SRC,
	KEY_UDP,
	KEY_TCP,
	KEY_IPV6,
	KEY_SRC_IP,
	KEY_DST_IP,
	KEY_SRC_PORT,
	KEY_DST_PORT,
	KEY_FLOWS,
	KEY_CSUM,
	KEY_SLOTS,
	KEY_PAGE_OFFSET,
	KEY_GSO,
	KEY_STREAM,
	KEY_RATE,
	KEY_WINDOW,
	KEY_IDLE,
	KEY_LINGER,
	KEY_HASH,
	KEY_HASH_TYPES,
	KEY_HASH_KEY,
	KEY_HASH_MAPPING,
	KEY_MULTICAST,
	KEY_MULTICAST_ADD,
	KEY_TAP,
	KEY_NO_TAP_OFFLOAD,
	KEY_GO,
	KEY_HOLD,
	KEY_CYCLES,
	KEY_JSON,
};

static const struct argp_option argp_options[] = {
	{ NULL, 0, NULL, 0, "The device and how to connect:", 1 },
	{ "devid", 'd', "N", 0, "virtual interface (default 0)", 0 },
	{ "queues", KEY_QUEUES, "N", 0, "queues, one thread each (default 1)", 0 },
	{ "no-split", KEY_NO_SPLIT, NULL, 0, "one event channel for both rings", 0 },
	{ "no-sg", KEY_NO_SG, NULL, 0, "take frames of one slot only", 0 },
	{ "no-gso4", KEY_NO_GSO4, NULL, 0, "take no TCPv4 GSO", 0 },
	{ "no-gso6", KEY_NO_GSO6, NULL, 0, "take no TCPv6 GSO", 0 },
	{ "no-csum", KEY_NO_CSUM, NULL, 0, "take no blank IPv4 checksums", 0 },
	{ "no-csum6", KEY_NO_CSUM6, NULL, 0, "take no blank IPv6 checksums", 0 },
	{ "no-rx-notify", KEY_NO_RX_NOTIFY, NULL, 0, "no events for posted slots", 0 },
	{ "rx-slots", KEY_RX_SLOTS, "N", 0, "receive slots kept posted (default 256)",
	  0 },
	{ "no-refill", KEY_NO_REFILL, NULL, 0, "post receive slots once, never again",
	  0 },
	{ "tx-holdoff", KEY_TX_HOLDOFF, "N", 0,
	  "ask for an event after N transmit responses (default: half of them)", 0 },
	{ "rx-holdoff", KEY_RX_HOLDOFF, "N", 0, "likewise for receive slots (default 1)",
	  0 },
	{ "xdp-headroom", KEY_HEADROOM, "BYTES", 0, "in front of received frames", 0 },
	{ "poison", KEY_POISON, NULL, 0, "check that only a slot's data is written", 0 },
	{ "force", KEY_FORCE, NULL, 0, "send what the backend does not offer", 0 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	  "of each step of the handshake (default 20)", 0 },
	{ "hash", KEY_HASH, "toeplitz|none", 0, "over the control ring", 0 },
	{ "hash-types", KEY_HASH_TYPES, "LIST", 0,
	  "of ipv4, ipv4-tcp, ipv6, ipv6-tcp (default: all)", 0 },
	{ "hash-key", KEY_HASH_KEY, "HEX", 0, "bytes (default: the well-known 40)", 0 },
	{ "hash-mapping", KEY_HASH_MAPPING, "LIST", 0, "queue numbers", 0 },
	{ "multicast-control", KEY_MULTICAST, NULL, 0, "ask for the multicast filter",
	  0 },
	{ "multicast-add", KEY_MULTICAST_ADD, "MAC", 0,
	  "into the filter; may be repeated", 0 },
	{ NULL, 0, NULL, 0, "Frames of `generate':", 2 },
	{ "size", KEY_SIZE, "BYTES", 0, "of a frame (default 60)", 0 },
	{ "dst", KEY_DST, "MAC", 0, "destination (default: broadcast)", 0 },
	{ "src", KEY_SRC, "MAC", 0, "source (default: the vif's)", 0 },
	{ "udp", KEY_UDP, NULL, 0, "with IP and UDP headers", 0 },
	{ "tcp", KEY_TCP, NULL, 0, "with IP and TCP headers", 0 },
	{ "ipv6", KEY_IPV6, NULL, 0, "IPv6 instead of IPv4", 0 },
	{ "src-ip", KEY_SRC_IP, "ADDRESS", 0, "IPv4 or IPv6", 0 },
	{ "dst-ip", KEY_DST_IP, "ADDRESS", 0, "IPv4 or IPv6", 0 },
	{ "src-port", KEY_SRC_PORT, "N", 0, "default 1024", 0 },
	{ "dst-port", KEY_DST_PORT, "N", 0, "default 9", 0 },
	{ "flows", KEY_FLOWS, "N", 0, "source ports in turn (default 1)", 0 },
	{ "csum", KEY_CSUM, "KIND", 0, "good (default), blank, none, bad", 0 },
	{ "slots", KEY_SLOTS, "N", 0, "to cut a frame into (default: as few as possible)",
	  0 },
	{ "page-offset", KEY_PAGE_OFFSET, "BYTES", 0, "of the data in its page", 0 },
	{ "gso", KEY_GSO, "BYTES", 0, "with a GSO extra: payload of a segment", 0 },
	{ "stream", KEY_STREAM, "N", 0, "number that the frames carry (default 1)", 0 },
	{ NULL, 0, NULL, 0, "How much:", 3 },
	{ "number", 'n', "N", 0, "of frames to send, or to wait for", 0 },
	{ "time", 't', "SECONDS", 0, "at most so long", 0 },
	{ "rate", KEY_RATE, "N", 0, "at most so many frames a second in all", 0 },
	{ "window", KEY_WINDOW, "N", 0,
	  "ring entries in flight of a queue (default: all); with --linger, also frames "
	  "that have not come back, of all queues",
	  0 },
	{ "idle", KEY_IDLE, "SECONDS", 0, "end when nothing came for so long", 0 },
	{ "linger", KEY_LINGER, "SECONDS", 0,
	  "wait at most so long for as many frames as were sent", 0 },
	{ "go", KEY_GO, "FILE", 0, "nothing is sent before it is there", 0 },
	{ "hold", KEY_HOLD, "SECONDS", 0, "stay connected (mode connect)", 0 },
	{ "cycles", KEY_CYCLES, "N", 0, "connect and disconnect N times (default 1)", 0 },
	{ NULL, 0, NULL, 0, "The TAP of `bridge':", 4 },
	{ "tap", KEY_TAP, "NAME", 0, "interface to make (default xen0)", 0 },
	{ "no-tap-offload", KEY_NO_TAP_OFFLOAD, NULL, 0,
	  "the kernel does checksums and segmentation", 0 },
	{ NULL, 0, NULL, 0, "Output:", 5 },
	{ "json", KEY_JSON, NULL, 0, "one JSON object instead of a line", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static const char *const mode_names[] = {
	[MODE_GENERATE] = "generate", [MODE_SINK] = "sink",	  [MODE_ECHO] = "echo",
	[MODE_BRIDGE] = "bridge",     [MODE_CONNECT] = "connect",
};

static const char *const csum_names[] = {
	[CSUM_GOOD] = "good",
	[CSUM_BLANK] = "blank",
	[CSUM_NONE] = "none",
	[CSUM_BAD] = "bad",
};

static const char *const type_names[] = {
	[_XEN_NETIF_CTRL_HASH_TYPE_IPV4] = "ipv4",
	[_XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP] = "ipv4-tcp",
	[_XEN_NETIF_CTRL_HASH_TYPE_IPV6] = "ipv6",
	[_XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP] = "ipv6-tcp",
};

#define ALL_HASH_TYPES                                                                   \
	(XEN_NETIF_CTRL_HASH_TYPE_IPV4 | XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP |             \
	 XEN_NETIF_CTRL_HASH_TYPE_IPV6 | XEN_NETIF_CTRL_HASH_TYPE_IPV6_TCP)

/* The key of the test vectors that all RSS implementations use. */
static const uint8_t known_key[] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
				     0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
				     0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
				     0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
				     0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

static int name_find(const char *const *names, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], text))
			return (int)i;
	return -1;
}

#define NAME_FIND(names, text) name_find(names, sizeof(names) / sizeof(names[0]), text)

static uint32_t number(struct argp_state *state, const char *text, uint32_t max)
{
	return (uint32_t)option_number(state, text, max);
}

static void parse_mac(struct argp_state *state, const char *text, uint8_t *mac)
{
	int end = 0;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1],
		   &mac[2], &mac[3], &mac[4], &mac[5], &end) != 6 ||
	    text[end])
		argp_error(state, "'%s' is not an Ethernet address", text);
}

static void parse_ip(struct argp_state *state, const char *text, uint8_t *ipv4,
		     uint8_t *ipv6)
{
	if (inet_pton(AF_INET, text, ipv4) != 1 && inet_pton(AF_INET6, text, ipv6) != 1)
		argp_error(state, "'%s' is not an IP address", text);
}

static void parse_csum(struct argp_state *state, const char *text,
		       struct netload_options *options)
{
	int kind = NAME_FIND(csum_names, text);

	if (kind < 0)
		argp_error(state, "'%s' is no kind of checksum", text);
	options->csum = (enum netload_csum)kind;
}

/* The hash. */

static void want_hash(struct netload_options *options)
{
	options->hash.wanted = true;
	options->front.features |= NETFRONT_CONTROL;
}

static void parse_algorithm(struct argp_state *state, const char *text,
			    struct netload_options *options)
{
	want_hash(options);
	if (!strcmp(text, "toeplitz"))
		options->hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ;
	else if (!strcmp(text, "none"))
		options->hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_NONE;
	else
		argp_error(state, "'%s' is not a hash", text);
}

static void parse_types(struct argp_state *state, char *text,
			struct netload_options *options)
{
	char *rest = NULL;

	options->hash.types = 0;
	for (char *name = strtok_r(text, ",", &rest); name;
	     name = strtok_r(NULL, ",", &rest)) {
		int type = NAME_FIND(type_names, name);

		if (type < 0)
			argp_error(state, "'%s' is not a type of hash", name);
		options->hash.types |= 1u << type;
	}
}

static void parse_key(struct argp_state *state, const char *text,
		      struct netload_options *options)
{
	struct netload_hash *hash = &options->hash;
	size_t len = strlen(text);

	if (len % 2 || len / 2 > sizeof(hash->key) ||
	    strspn(text, "0123456789abcdefABCDEF") != len)
		argp_error(state, "'%s' is not a key in hexadecimal", text);
	hash->key_size = (uint32_t)(len / 2);
	for (uint32_t i = 0; i < hash->key_size; i++)
		sscanf(text + 2 * i, "%2hhx", &hash->key[i]);
}

static void parse_mapping(struct argp_state *state, char *text,
			  struct netload_options *options)
{
	struct netload_hash *hash = &options->hash;
	char *rest = NULL;

	for (char *queue = strtok_r(text, ",", &rest); queue;
	     queue = strtok_r(NULL, ",", &rest)) {
		if (hash->mapping_size == sizeof(hash->mapping) / sizeof(uint32_t))
			argp_error(state, "the mapping is too long");
		hash->mapping[hash->mapping_size++] = number(state, queue, UINT32_MAX);
	}
}

static void parse_multicast(struct argp_state *state, const char *text,
			    struct netload_options *options)
{
	if (options->nr_multicast == MAX_MULTICAST)
		argp_error(state, "too many multicast addresses");
	parse_mac(state, text, options->multicast[options->nr_multicast++]);
}

/* The groups of options. */

static error_t parse_features(int key, char *arg, struct argp_state *state,
			      struct netload_options *options)
{
	static const struct {
		int key;
		uint32_t clear;
		uint32_t set;
	} switches[] = {
		{ KEY_NO_SPLIT, NETFRONT_SPLIT_EVENTS, 0 },
		{ KEY_NO_SG, NETFRONT_SG, 0 },
		{ KEY_NO_GSO4, NETFRONT_GSO_TCPV4, 0 },
		{ KEY_NO_GSO6, NETFRONT_GSO_TCPV6, 0 },
		{ KEY_NO_CSUM, 0, NETFRONT_NO_CSUM },
		{ KEY_NO_CSUM6, NETFRONT_CSUM_IPV6, 0 },
		{ KEY_NO_RX_NOTIFY, NETFRONT_RX_NOTIFY, 0 },
		{ KEY_MULTICAST, 0, NETFRONT_MULTICAST },
	};
	struct netfront_config *front = &options->front;

	(void)arg;
	(void)state;
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (switches[i].key != key)
			continue;
		front->features &= ~switches[i].clear;
		front->features |= switches[i].set;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_device(int key, char *arg, struct argp_state *state,
			    struct netload_options *options)
{
	struct netfront_config *front = &options->front;

	switch (key) {
	case 'd':
		front->devid = number(state, arg, UINT16_MAX);
		return 0;
	case KEY_QUEUES:
		front->queues = number(state, arg, NETFRONT_MAX_QUEUES);
		return 0;
	case KEY_RX_SLOTS:
		front->rx_slots = number(state, arg, NETFRONT_ENTRIES);
		return 0;
	case KEY_NO_REFILL:
		options->no_refill = true;
		return 0;
	case KEY_TX_HOLDOFF:
		front->tx_holdoff = number(state, arg, NETFRONT_ENTRIES);
		return 0;
	case KEY_RX_HOLDOFF:
		front->rx_holdoff = number(state, arg, NETFRONT_ENTRIES);
		return 0;
	case KEY_HEADROOM:
		front->xdp_headroom = number(state, arg, UINT16_MAX);
		return 0;
	case KEY_POISON:
		front->poison = true;
		return 0;
	case KEY_FORCE:
		front->force = true;
		return 0;
	case KEY_TIMEOUT:
		front->timeout_ms = (uint32_t)(option_seconds(state, arg) * 1000);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_hash(int key, char *arg, struct argp_state *state,
			  struct netload_options *options)
{
	switch (key) {
	case KEY_HASH:
		parse_algorithm(state, arg, options);
		return 0;
	case KEY_HASH_TYPES:
		parse_types(state, arg, options);
		return 0;
	case KEY_HASH_KEY:
		parse_key(state, arg, options);
		return 0;
	case KEY_HASH_MAPPING:
		parse_mapping(state, arg, options);
		return 0;
	case KEY_MULTICAST_ADD:
		parse_multicast(state, arg, options);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_headers(int key, char *arg, struct argp_state *state,
			     struct netload_options *options)
{
	struct packet_addresses *addresses = &options->addresses;

	switch (key) {
	case KEY_DST:
		parse_mac(state, arg, options->dst);
		return 0;
	case KEY_SRC:
		parse_mac(state, arg, options->src);
		options->own_src = true;
		return 0;
	case KEY_UDP:
		options->payload = PAYLOAD_UDP;
		return 0;
	case KEY_TCP:
		options->payload = PAYLOAD_TCP;
		return 0;
	case KEY_IPV6:
		options->ipv6 = true;
		return 0;
	case KEY_SRC_IP:
		parse_ip(state, arg, addresses->src4, addresses->src6);
		return 0;
	case KEY_DST_IP:
		parse_ip(state, arg, addresses->dst4, addresses->dst6);
		return 0;
	case KEY_SRC_PORT:
		addresses->src_port = (uint16_t)number(state, arg, UINT16_MAX);
		return 0;
	case KEY_DST_PORT:
		addresses->dst_port = (uint16_t)number(state, arg, UINT16_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_frames(int key, char *arg, struct argp_state *state,
			    struct netload_options *options)
{
	switch (key) {
	case KEY_SIZE:
		options->size = number(state, arg, NETFRONT_MAX_FRAME);
		return 0;
	case KEY_FLOWS:
		options->flows = number(state, arg, UINT16_MAX);
		return 0;
	case KEY_CSUM:
		parse_csum(state, arg, options);
		return 0;
	case KEY_SLOTS:
		options->slots = number(state, arg, NETFRONT_ENTRIES);
		return 0;
	case KEY_PAGE_OFFSET:
		options->page_offset =
			(uint16_t)number(state, arg, NETFRONT_PAGE_SIZE - 1);
		return 0;
	case KEY_GSO:
		options->gso_size = (uint16_t)number(state, arg, UINT16_MAX);
		return 0;
	case KEY_STREAM:
		options->stream = (uint16_t)number(state, arg, 1023);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_limits(int key, char *arg, struct argp_state *state,
			    struct netload_options *options)
{
	switch (key) {
	case 'n':
		options->number = option_number(state, arg, UINT64_MAX - 1);
		return 0;
	case 't':
		options->seconds = option_seconds(state, arg);
		return 0;
	case KEY_RATE:
		options->rate = option_number(state, arg, UINT32_MAX);
		return 0;
	case KEY_WINDOW:
		options->window = number(state, arg, NETFRONT_ENTRIES);
		return 0;
	case KEY_IDLE:
		options->idle_seconds = option_seconds(state, arg);
		return 0;
	case KEY_LINGER:
		options->linger_seconds = option_seconds(state, arg);
		return 0;
	case KEY_GO:
		options->go = arg;
		return 0;
	case KEY_HOLD:
		options->hold_seconds = option_seconds(state, arg);
		return 0;
	case KEY_CYCLES:
		options->cycles = number(state, arg, UINT32_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_rest(int key, char *arg, struct argp_state *state,
			  struct netload_options *options)
{
	int mode;

	switch (key) {
	case KEY_TAP:
		options->tap = arg;
		return 0;
	case KEY_NO_TAP_OFFLOAD:
		options->tap_offload = false;
		return 0;
	case KEY_JSON:
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		mode = NAME_FIND(mode_names, arg);
		if (mode < 0 || state->arg_num)
			argp_error(state, "unexpected '%s'", arg);
		options->mode = (enum netload_mode)mode;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which mode?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void check_together(struct argp_state *state,
			   const struct netload_options *options)
{
	uint32_t headers = PACKET_ETH_SIZE;

	if (options->payload != PAYLOAD_RAW)
		headers += (options->ipv6 ? 40 : 20) +
			   (options->payload == PAYLOAD_TCP ? 20 : 8);
	if (options->mode == MODE_GENERATE && options->size < headers)
		argp_error(state, "--size is at least %u here", headers);
	if (options->gso_size && options->payload != PAYLOAD_TCP)
		argp_error(state, "--gso needs --tcp");
	if (options->csum == CSUM_NONE &&
	    (options->payload == PAYLOAD_TCP || options->ipv6))
		argp_error(state, "--csum none is for UDP over IPv4");
	if (strlen(options->tap) > 15)
		argp_error(state, "--tap is too long");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static error_t (*const groups[])(int, char *, struct argp_state *,
					 struct netload_options *) = {
		parse_features, parse_device, parse_hash, parse_headers,
		parse_frames,	parse_limits, parse_rest
	};
	struct netload_options *options = state->input;
	error_t err = ARGP_ERR_UNKNOWN;

	if (key == ARGP_KEY_END)
		check_together(state, options);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (err == ARGP_ERR_UNKNOWN)
			err = groups[i](key, arg, state, options);
	return err;
}

/**
 * options_parse() - the command line
 * @argc: of main()
 * @argv: of main()
 * @ret_options: with defaults filled in
 *
 * Return: 0; a wrong command line ends the process with NETLOAD_USAGE.
 */
int options_parse(int argc, char **argv, struct netload_options *ret_options)
{
	static const struct argp argp = {
		argp_options,
		parse,
		"generate|sink|echo|bridge|connect",
		"A guest's network frontend that makes frames, checks what comes in and "
		"counts; or that is the other end of a TAP.\v"
		"Exit status: 0 all well, 1 a wrong frame, a failed one or a protocol "
		"error, 2 wrong usage, 3 no connection.",
		NULL,
		NULL,
		NULL
	};

	argp_err_exit_status = NETLOAD_USAGE;
	*ret_options = (struct netload_options){
		.front = { .queues = 1, .features = NETFRONT_USUAL },
		.size = 60,
		.dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.addresses = { .src4 = { 10, 0, 0, 1 },
			       .dst4 = { 10, 0, 0, 2 },
			       .src6 = { 0xfd, [15] = 1 },
			       .dst6 = { 0xfd, [15] = 2 },
			       .src_port = 1024,
			       .dst_port = 9 },
		.flows = 1,
		.stream = 1,
		.hash = { .types = ALL_HASH_TYPES, .key_size = sizeof(known_key) },
		.tap = "xen0",
		.tap_offload = true,
		.cycles = 1,
	};
	memcpy(ret_options->hash.key, known_key, sizeof(known_key));
	return argp_parse(&argp, argc, argv, 0, NULL, ret_options);
}
