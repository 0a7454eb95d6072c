/* SPDX-License-Identifier: MIT */
/*
 * What the files of blkload share: its options, the latency histogram, the verification
 * of blocks and the workers. A worker owns one queue and its part of the region; the main
 * thread owns the device.
 */
#ifndef BLKLOAD_H
#define BLKLOAD_H

#include "blkfront.h"

#include <jansson.h>
#include <pthread.h>

enum blkload_exit {
	BLKLOAD_OK,
	BLKLOAD_FAILED,
	BLKLOAD_USAGE,
	BLKLOAD_NO_CONNECTION,
};

enum blkload_rw {
	RW_READ,
	RW_WRITE,
	RW_RANDREAD,
	RW_RANDWRITE,
	RW_RANDRW,
	RW_FLUSH,
	RW_DISCARD,
};

/* @number 0: no limit; @seconds 0: no limit; with neither, the region is gone through
 * once. */
struct blkload_options {
	struct blkfront_config front;
	uint32_t last_devid;
	enum blkload_rw rw;
	uint32_t mix_read_percent;
	uint64_t flush_every;
	uint64_t discard_every;
	uint64_t barrier_every;
	uint32_t bs;
	uint32_t depth;
	uint16_t page_offset;
	uint8_t discard_flag;
	uint64_t rate;
	uint64_t number;
	double seconds;
	uint64_t offset;
	uint64_t size;
	uint64_t seed;
	uint32_t cycles;
	double hold_seconds;
	bool hold;
	bool connect_only;
	bool verify;
	const char *verify_state;
	bool json;
};

int options_parse(int argc, char **argv, struct blkload_options *ret_options);

/* Latencies: exact below 128 ns, then 64 buckets for each doubling (at most 1.6 % off).
 */
#define HISTOGRAM_BUCKETS (64u * 59u)

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t total;
	uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_merge(struct histogram *sum, const struct histogram *histogram);
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* What a block must contain: a generation, or one of these. */
#define GENERATION_UNKNOWN 0u /* never written by us: a valid header is checked */
#define GENERATION_INDETERMINATE                                                         \
	UINT32_MAX /* discarded, or a write failed: anything goes */

struct verify {
	uint32_t bs;
	uint64_t seed;
	uint64_t first_block;
	uint64_t blocks;
	uint32_t *generation;
};

enum verify_result {
	VERIFY_GOOD,
	VERIFY_UNKNOWN,
	VERIFY_BAD,
};

int verify_init(struct verify *verify, const struct blkload_options *options,
		uint64_t blocks);
int verify_save(const struct verify *verify, const char *path);
void verify_fini(struct verify *verify);
void verify_fill(const struct verify *verify, uint64_t block, uint32_t generation,
		 void *buf);
enum verify_result verify_check(const struct verify *verify, uint64_t block,
				const void *buf);

/* Counts of block operations (of --bs bytes each), as against ring requests. */
struct worker_counts {
	uint64_t operations;
	uint64_t failed;
	uint64_t refused; /* blkfront_submit() would not take it */
	int refused_errno;
	uint64_t verify_good;
	uint64_t verify_unknown;
	uint64_t verify_bad;
	uint64_t stuck;
};

struct block_op;

struct worker {
	const struct blkload_options *options;
	struct blkfront *front;
	struct blkfront_queue *queue;
	struct verify *verify; /* NULL: off */
	uint64_t first_block;
	uint64_t blocks;
	uint64_t quota;	 /* operations; UINT64_MAX: no limit */
	double rate;	 /* operations per second; 0: no limit */
	uint64_t end_ns; /* 0: no limit */
	const bool *stop;
	uint32_t *running;
	pthread_t thread;
	/* the worker's own */
	uint64_t random[2];
	uint64_t issued;
	uint64_t next_block;
	uint64_t first_ns;
	uint64_t last_ns;
	struct block_op *ops;
	struct block_op *free_ops;
	struct block_op *current; /* partly submitted */
	uint32_t busy_ops;
	uint8_t *buffers;
	uint8_t *busy_blocks; /* a bit for each block with an operation in flight */
	struct histogram histogram;
	struct worker_counts counts;
};

int worker_init(struct worker *worker);
void worker_fini(struct worker *worker);
void *worker_run(void *arg);
uint64_t worker_now_ns(void);

json_t *report_info(const struct blkload_options *options,
		    const struct blkfront_info *info);
json_t *report_stats(const struct blkfront_stats *stats);
void report_run(const struct blkload_options *options, struct blkfront *front,
		const struct worker *workers, uint32_t n);
void report_print(json_t *object);

/* What a load had done at a moment: zeros before it begins. */
struct progress {
	struct histogram histogram;
	uint64_t ns;
};

void report_since(const struct worker *workers, uint32_t n, struct progress *last);

#endif
