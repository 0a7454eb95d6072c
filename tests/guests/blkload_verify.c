/* SPDX-License-Identifier: MIT */
/*
 * Blocks that can be checked: a header with the block's number, its generation and a
 * checksum, and bytes that follow from them. The table of generations is shared by the
 * workers, but each block belongs to one of them. With a state file it outlives the
 * process.
 */
#include "blkload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MAGIC 0x6b6c62206e6578aaull
#define STATE_MAGIC "blkload generations 1\n"

struct block_header {
	uint64_t magic;
	uint64_t position; /* of the block on the device, 512-byte sectors */
	uint32_t bs;
	uint32_t generation;
	uint64_t seed;
	uint64_t checksum; /* of the whole block with this field zero */
};

struct state_header {
	char magic[32];
	uint64_t bs;
	uint64_t first_block;
	uint64_t blocks;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static uint64_t checksum(const void *buf, uint32_t bs)
{
	const uint8_t *bytes = buf;
	uint64_t sum = 0x9e3779b97f4a7c15ull;

	for (uint32_t i = 0; i < bs; i += sizeof(uint64_t)) {
		uint64_t word = 0;

		if (i != offsetof(struct block_header, checksum))
			memcpy(&word, bytes + i, sizeof(word));
		sum = (sum ^ word) * 0x9fb21c651e98df25ull;
		sum ^= sum >> 29;
	}
	return sum;
}

static int state_load(struct verify *verify, const char *path)
{
	struct state_header header;
	FILE *file = fopen(path, "re");
	int err = 0;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	if (fread(&header, sizeof(header), 1, file) != 1 ||
	    strncmp(header.magic, STATE_MAGIC, sizeof(header.magic)) ||
	    header.bs != verify->bs || header.first_block != verify->first_block ||
	    header.blocks != verify->blocks ||
	    fread(verify->generation, sizeof(uint32_t), verify->blocks, file) !=
		    verify->blocks)
		err = -EINVAL;
	fclose(file);
	return err;
}

/**
 * verify_init() - a table for the region
 * @verify: filled
 * @options: block size, offset, seed and state file
 * @blocks: of the region
 *
 * Return: 0, -ENOMEM, -EINVAL: the state file is for another region, or -errno.
 */
int verify_init(struct verify *verify, const struct blkload_options *options,
		uint64_t blocks)
{
	*verify = (struct verify){
		.bs = options->bs,
		.seed = options->seed,
		.first_block = options->offset / options->bs,
		.blocks = blocks,
		.generation = calloc(blocks ? blocks : 1, sizeof(uint32_t)),
	};
	if (!verify->generation)
		return -ENOMEM;
	return options->verify_state ? state_load(verify, options->verify_state) : 0;
}

/**
 * verify_save() - write the state file
 * @verify: a table
 * @path: of the file
 *
 * Return: 0 or -errno.
 */
int verify_save(const struct verify *verify, const char *path)
{
	struct state_header header = { .bs = verify->bs,
				       .first_block = verify->first_block,
				       .blocks = verify->blocks };
	FILE *file = fopen(path, "we");
	bool ok;

	if (!file)
		return -errno;
	memcpy(header.magic, STATE_MAGIC, sizeof(STATE_MAGIC));
	ok = fwrite(&header, sizeof(header), 1, file) == 1 &&
	     fwrite(verify->generation, sizeof(uint32_t), verify->blocks, file) ==
		     verify->blocks;
	if (fclose(file))
		ok = false;
	return ok ? 0 : -EIO;
}

/**
 * verify_fini() - free the table
 * @verify: a table
 */
void verify_fini(struct verify *verify)
{
	free(verify->generation);
	verify->generation = NULL;
}

static uint64_t position(const struct verify *verify, uint64_t block)
{
	return (verify->first_block + block) * (verify->bs / BLKFRONT_SECTOR);
}

/**
 * verify_fill() - what a block shall contain
 * @verify: a table
 * @block: in the region
 * @generation: at least 1
 * @buf: one block
 */
void verify_fill(const struct verify *verify, uint64_t block, uint32_t generation,
		 void *buf)
{
	struct block_header header = { .magic = BLOCK_MAGIC,
				       .position = position(verify, block),
				       .bs = verify->bs,
				       .generation = generation,
				       .seed = verify->seed };
	uint64_t word = mix(verify->seed ^ mix(header.position) ^ generation);
	uint8_t *bytes = buf;

	for (uint32_t i = 0; i < verify->bs; i += sizeof(word)) {
		word = word * 6364136223846793005ull + 1442695040888963407ull;
		memcpy(bytes + i, &word, sizeof(word));
	}
	memcpy(bytes, &header, sizeof(header));
	header.checksum = checksum(buf, verify->bs);
	memcpy(bytes, &header, sizeof(header));
}

/**
 * verify_check() - is it what was written last?
 * @verify: a table
 * @block: in the region
 * @buf: one block, as read
 *
 * Return: see enum verify_result.
 */
enum verify_result verify_check(const struct verify *verify, uint64_t block,
				const void *buf)
{
	uint32_t expected = verify->generation[block];
	struct block_header header;
	bool ours;

	if (expected == GENERATION_INDETERMINATE)
		return VERIFY_UNKNOWN;
	memcpy(&header, buf, sizeof(header));
	ours = header.magic == BLOCK_MAGIC && header.bs == verify->bs;
	if (expected == GENERATION_UNKNOWN && !ours)
		return VERIFY_UNKNOWN;
	if (!ours || header.position != position(verify, block) ||
	    header.checksum != checksum(buf, verify->bs))
		return VERIFY_BAD;
	return expected == GENERATION_UNKNOWN || header.generation == expected
		       ? VERIFY_GOOD
		       : VERIFY_BAD;
}
