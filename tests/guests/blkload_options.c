/* SPDX-License-Identifier: MIT */
/*
 * blkload's command line, parsed with argp.
 */
#include "blkload.h"
#include "load_options.h"

#include <argp.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_key {
	KEY_QUEUES = 256,
	KEY_RING_ORDER,
	KEY_PERSISTENT,
	KEY_NO_PERSISTENT,
	KEY_GRANT_EACH,
	KEY_INDIRECT,
	KEY_PROTOCOL,
	KEY_POOL,
	KEY_RW,
	KEY_MIX,
	KEY_FLUSH_EVERY,
	KEY_DISCARD_EVERY,
	KEY_BARRIER_EVERY,
	KEY_SECURE,
	KEY_BS,
	KEY_DEPTH,
	KEY_PAGE_OFFSET,
	KEY_RATE,
	KEY_OFFSET,
	KEY_SIZE,
	KEY_VERIFY,
	KEY_VERIFY_STATE,
	KEY_SEED,
	KEY_JSON,
	KEY_CONNECT_ONLY,
	KEY_HOLD,
	KEY_CYCLES,
	KEY_FORCE,
	KEY_TIMEOUT,
};

static const struct argp_option argp_options[] = {
	{ NULL, 0, NULL, 0, "The device and how to connect:", 1 },
	{ "devid", 'd', "N|N-M|xvdX", 0,
	  "virtual device (default 51712, xvda); a range only with "
	  "--hold or --connect-only",
	  0 },
	{ "queues", KEY_QUEUES, "N", 0, "queues, one thread each (default 1)", 0 },
	{ "ring-order", KEY_RING_ORDER, "N", 0, "log2 of a ring's pages (default 0)", 0 },
	{ "persistent", KEY_PERSISTENT, NULL, 0, "persistent grants (default)", 0 },
	{ "no-persistent", KEY_NO_PERSISTENT, NULL, 0,
	  "the same pages again and again, without telling the backend", 0 },
	{ "grant-each", KEY_GRANT_EACH, NULL, 0,
	  "grant and revoke pages for each request", 0 },
	{ "indirect", KEY_INDIRECT, "N", 0, "most segments of an indirect request", 0 },
	{ "protocol", KEY_PROTOCOL, "ABI", 0,
	  "x86_64-abi (default), x86_32-abi, or none: no key and the x86_32 layout", 0 },
	{ "pool", KEY_POOL, "PAGES", 0, "most granted pages of a queue", 0 },
	{ "timeout", KEY_TIMEOUT, "SECONDS", 0,
	  "of each step of the handshake (default 20)", 0 },
	{ "force", KEY_FORCE, NULL, 0, "send what the device does not offer or allow",
	  0 },
	{ NULL, 0, NULL, 0, "The load:", 2 },
	{ "rw", KEY_RW, "PATTERN", 0,
	  "read (default), write, randread, randwrite, randrw, flush, discard", 0 },
	{ "mix", KEY_MIX, "READ%", 0, "reads of randrw in percent (default 50)", 0 },
	{ "flush-every", KEY_FLUSH_EVERY, "N", 0, "every Nth operation is a flush", 0 },
	{ "discard-every", KEY_DISCARD_EVERY, "N", 0, "every Nth operation is a discard",
	  0 },
	{ "barrier-every", KEY_BARRIER_EVERY, "N", 0,
	  "every Nth operation is a write barrier", 0 },
	{ "secure", KEY_SECURE, NULL, 0, "discards are secure", 0 },
	{ "bs", KEY_BS, "BYTES", 0,
	  "of an operation, split into ring requests (default 4k)", 0 },
	{ "depth", KEY_DEPTH, "N", 0, "operations in flight in each queue (default 1)",
	  0 },
	{ "page-offset", KEY_PAGE_OFFSET, "BYTES", 0, "of the data in its first page",
	  0 },
	{ "rate", KEY_RATE, "IOPS", 0, "at most so many operations a second in all", 0 },
	{ "number", 'n', "N", 0, "exactly so many operations in all", 0 },
	{ "time", 't', "SECONDS", 0, "for so long", 0 },
	{ "offset", KEY_OFFSET, "BYTES", 0, "start of the region", 0 },
	{ "size", KEY_SIZE, "BYTES", 0, "of the region (default: to the end)", 0 },
	{ "seed", KEY_SEED, "N", 0, "of the random numbers (default 1)", 0 },
	{ "verify", KEY_VERIFY, NULL, 0,
	  "write checkable blocks, check them when reading", 0 },
	{ "verify-state", KEY_VERIFY_STATE, "FILE", 0,
	  "remember between runs which generation each block has", 0 },
	{ NULL, 0, NULL, 0, "Instead of a load:", 3 },
	{ "connect-only", KEY_CONNECT_ONLY, NULL, 0,
	  "connect, print what was negotiated, go", 0 },
	{ "hold", KEY_HOLD, "SECONDS", 0, "stay connected and idle", 0 },
	{ "cycles", KEY_CYCLES, "N", 0, "connect and disconnect N times (default 1)", 0 },
	{ NULL, 0, NULL, 0, "Output:", 4 },
	{ "json", KEY_JSON, NULL, 0, "one JSON object instead of a line", 0 },
	{ NULL, 0, NULL, 0, NULL, 0 },
};

static const char *const rw_names[] = {
	[RW_READ] = "read",	      [RW_WRITE] = "write",   [RW_RANDREAD] = "randread",
	[RW_RANDWRITE] = "randwrite", [RW_RANDRW] = "randrw", [RW_FLUSH] = "flush",
	[RW_DISCARD] = "discard",
};

/* xvda..xvdzz with an optional partition: vbd-interface(7) of Xen. */
static uint32_t devid_of_name(struct argp_state *state, const char *name)
{
	const char *p = name + 3;
	uint32_t disk = 0, part;

	if (!islower((unsigned char)*p))
		argp_error(state, "'%s' is not a device", name);
	for (; islower((unsigned char)*p) && disk < 1000; p++)
		disk = disk * 26 + (uint32_t)(*p - 'a') + 1;
	disk--;
	part = *p ? (uint32_t)option_number(state, p, 255) : 0;
	if (disk < 16 && part < 16)
		return 202u << 8 | disk << 4 | part;
	return 1u << 28 | disk << 8 | part;
}

static void parse_devid(struct argp_state *state, char *text,
			struct blkload_options *options)
{
	char *dash = strchr(text, '-');

	if (!strncmp(text, "xvd", 3)) {
		options->front.devid = devid_of_name(state, text);
		options->last_devid = options->front.devid;
		return;
	}
	if (dash)
		*dash = '\0';
	options->front.devid = (uint32_t)option_number(state, text, UINT32_MAX - 1);
	options->last_devid =
		dash ? (uint32_t)option_number(state, dash + 1, UINT32_MAX - 1)
		     : options->front.devid;
	if (options->last_devid < options->front.devid)
		argp_error(state, "the range of devices is empty");
}

static void parse_rw(struct argp_state *state, const char *text,
		     struct blkload_options *options)
{
	for (size_t i = 0; i < sizeof(rw_names) / sizeof(rw_names[0]); i++) {
		if (!strcmp(text, rw_names[i])) {
			options->rw = (enum blkload_rw)i;
			return;
		}
	}
	argp_error(state, "'%s' is not a pattern", text);
}

static void parse_protocol(struct argp_state *state, const char *text,
			   struct blkload_options *options)
{
	if (!strcmp(text, "none"))
		options->front.protocol = NULL;
	else if (!strcmp(text, "x86_64-abi") || !strcmp(text, "x86_32-abi"))
		options->front.protocol = text;
	else
		argp_error(state, "'%s' is not an ABI", text);
}

static error_t parse_device(int key, char *arg, struct argp_state *state,
			    struct blkload_options *options)
{
	struct blkfront_config *front = &options->front;

	switch (key) {
	case 'd':
		parse_devid(state, arg, options);
		return 0;
	case KEY_QUEUES:
		front->queues = (uint32_t)option_number(state, arg, BLKFRONT_MAX_QUEUES);
		return 0;
	case KEY_RING_ORDER:
		front->ring_order =
			(uint32_t)option_number(state, arg, BLKFRONT_MAX_RING_ORDER);
		return 0;
	case KEY_PERSISTENT:
		front->grants = BLKFRONT_GRANTS_PERSISTENT;
		return 0;
	case KEY_NO_PERSISTENT:
		front->grants = BLKFRONT_GRANTS_REUSED;
		return 0;
	case KEY_GRANT_EACH:
		front->grants = BLKFRONT_GRANTS_EACH;
		return 0;
	case KEY_INDIRECT:
		front->indirect_segments =
			(uint32_t)option_number(state, arg, BLKFRONT_MAX_SEGMENTS);
		return 0;
	case KEY_PROTOCOL:
		parse_protocol(state, arg, options);
		return 0;
	case KEY_POOL:
		front->pool_pages = (uint32_t)option_number(state, arg, 1u << 20);
		return 0;
	case KEY_TIMEOUT:
		front->timeout_ms = (uint32_t)(option_seconds(state, arg) * 1000);
		return 0;
	case KEY_FORCE:
		front->force = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_pattern(int key, char *arg, struct argp_state *state,
			     struct blkload_options *options)
{
	switch (key) {
	case KEY_RW:
		parse_rw(state, arg, options);
		return 0;
	case KEY_MIX:
		options->mix_read_percent = (uint32_t)option_number(state, arg, 100);
		return 0;
	case KEY_FLUSH_EVERY:
		options->flush_every = option_number(state, arg, UINT64_MAX);
		return 0;
	case KEY_DISCARD_EVERY:
		options->discard_every = option_number(state, arg, UINT64_MAX);
		return 0;
	case KEY_BARRIER_EVERY:
		options->barrier_every = option_number(state, arg, UINT64_MAX);
		return 0;
	case KEY_SECURE:
		options->discard_flag = BLKIF_DISCARD_SECURE;
		return 0;
	case KEY_BS:
		options->bs = (uint32_t)option_number(state, arg, 64u << 20);
		return 0;
	case KEY_DEPTH:
		options->depth = (uint32_t)option_number(state, arg, 65536);
		return 0;
	case KEY_PAGE_OFFSET:
		options->page_offset =
			(uint16_t)option_number(state, arg, BLKFRONT_PAGE_SIZE - 1);
		return 0;
	case KEY_SEED:
		options->seed = option_number(state, arg, UINT64_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_limits(int key, char *arg, struct argp_state *state,
			    struct blkload_options *options)
{
	switch (key) {
	case KEY_RATE:
		options->rate = option_number(state, arg, UINT32_MAX);
		return 0;
	case 'n':
		options->number = option_number(state, arg, UINT64_MAX - 1);
		return 0;
	case 't':
		options->seconds = option_seconds(state, arg);
		return 0;
	case KEY_OFFSET:
		options->offset = option_number(state, arg, UINT64_MAX);
		return 0;
	case KEY_SIZE:
		options->size = option_number(state, arg, UINT64_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_mode(int key, char *arg, struct argp_state *state,
			  struct blkload_options *options)
{
	switch (key) {
	case KEY_VERIFY:
		options->verify = true;
		return 0;
	case KEY_VERIFY_STATE:
		options->verify = true;
		options->verify_state = arg;
		return 0;
	case KEY_JSON:
		options->json = true;
		return 0;
	case KEY_CONNECT_ONLY:
		options->connect_only = true;
		return 0;
	case KEY_HOLD:
		options->hold = true;
		options->hold_seconds = option_seconds(state, arg);
		return 0;
	case KEY_CYCLES:
		options->cycles = (uint32_t)option_number(state, arg, UINT32_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void check_together(struct argp_state *state,
			   const struct blkload_options *options)
{
	if (!options->bs || options->bs % BLKFRONT_SECTOR ||
	    options->offset % BLKFRONT_SECTOR || options->page_offset % BLKFRONT_SECTOR)
		argp_error(state,
			   "--bs, --offset and --page-offset are multiples of 512");
	if (!options->depth)
		argp_error(state, "--depth is at least 1");
	if (options->last_devid != options->front.devid && !options->hold &&
	    !options->connect_only)
		argp_error(state, "several devices only with --hold or --connect-only");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct blkload_options *options = state->input;
	error_t err;

	if (key == ARGP_KEY_ARG)
		argp_error(state, "unexpected '%s'", arg);
	if (key == ARGP_KEY_END)
		check_together(state, options);
	err = parse_device(key, arg, state, options);
	if (err == ARGP_ERR_UNKNOWN)
		err = parse_pattern(key, arg, state, options);
	if (err == ARGP_ERR_UNKNOWN)
		err = parse_limits(key, arg, state, options);
	if (err == ARGP_ERR_UNKNOWN)
		err = parse_mode(key, arg, state, options);
	return err;
}

/**
 * options_parse() - the command line
 * @argc: of main()
 * @argv: of main()
 * @ret_options: with defaults filled in
 *
 * Return: 0; a wrong command line ends the process with BLKLOAD_USAGE.
 */
int options_parse(int argc, char **argv, struct blkload_options *ret_options)
{
	static const struct argp argp = { argp_options,
					  parse,
					  NULL,
					  "A guest's block frontend that makes load, "
					  "checks what comes back and counts.\v"
					  "Exit status: 0 all well, 1 an I/O, "
					  "verification or protocol error, 2 wrong "
					  "usage, 3 no connection.",
					  NULL,
					  NULL,
					  NULL };

	argp_err_exit_status = BLKLOAD_USAGE;
	*ret_options = (struct blkload_options){
		.front = { .devid = 51712, .queues = 1, .protocol = "x86_64-abi" },
		.last_devid = 51712,
		.mix_read_percent = 50,
		.bs = 4096,
		.depth = 1,
		.seed = 1,
		.cycles = 1,
	};
	return argp_parse(&argp, argc, argv, 0, NULL, ret_options);
}
