/* SPDX-License-Identifier: MIT */
/*
 * A guest's load for counting instructions: so many I/Os of one size at random places, so
 * many at a time, by Linux's native AIO on O_DIRECT. It starts and ends with fewer
 * instructions than fio, and always does the same.
 *
 *   load DEVICE read|write|sequential BYTES DEPTH COUNT
 *
 * Prints the median and the 99th percentile of their latencies, in ticks of the time
 * stamp counter, which in counted mode are instructions of all domains. `sequential`
 * reads one after the other from the start.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define MAX_DEPTH 128

static uint64_t random_state = 88172645463325252u;

/* xorshift: the same places every time. */
static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int one_after_another;
static uint64_t blocks, next_block;

static uint64_t choose_block(void)
{
	return (one_after_another ? next_block++ : next_random()) % blocks;
}

static int submit(aio_context_t context, struct iocb *io)
{
	io->aio_offset = choose_block() * io->aio_nbytes;
	io->aio_data = __rdtsc();
	return syscall(SYS_io_submit, context, 1, &io) == 1 ? 0 : -1;
}

static int run(struct iocb *io, unsigned int depth, unsigned long count,
	       uint64_t *ret_latency)
{
	unsigned long started = 0, done = 0;
	struct io_event event[MAX_DEPTH];
	aio_context_t context = 0;
	unsigned int i;

	if (syscall(SYS_io_setup, MAX_DEPTH, &context))
		return fail("io_setup");
	for (; started < count && started < depth; started++)
		if (submit(context, &io[started]))
			return fail("io_submit");
	while (done < count) {
		long got = syscall(SYS_io_getevents, context, 1, depth, event, NULL);

		if (got <= 0)
			return fail("io_getevents");
		for (i = 0; i < got; i++, done++) {
			struct iocb *again = (void *)(uintptr_t)event[i].obj;

			if (event[i].res != (long long)again->aio_nbytes)
				return fail("an I/O failed");
			ret_latency[done] = __rdtsc() - event[i].data;
			if (started < count && started++ && submit(context, again))
				return fail("io_submit");
		}
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int report(uint64_t *latency, unsigned long count)
{
	qsort(latency, count, sizeof(latency[0]), compare);
	printf("%llu %llu\n", (unsigned long long)latency[count / 2],
	       (unsigned long long)latency[count - 1 - count / 100]);
	return 0;
}

int main(int argc, char **argv)
{
	struct iocb io[MAX_DEPTH] = { 0 };
	unsigned long bytes, depth, count, i;
	uint64_t size, *latency;
	int fd, writes;
	char *memory;

	if (argc != 6)
		return fprintf(stderr, "usage: load DEVICE read|write|sequential BYTES "
				       "DEPTH COUNT\n"),
		       2;
	writes = !strcmp(argv[2], "write");
	bytes = strtoul(argv[3], NULL, 10);
	depth = strtoul(argv[4], NULL, 10);
	count = strtoul(argv[5], NULL, 10);
	one_after_another = !strcmp(argv[2], "sequential");
	if (!bytes || !depth || depth > MAX_DEPTH || !count)
		return fprintf(stderr, "load: not sizes: %s %s\n", argv[3], argv[4]), 2;
	fd = open(argv[1], (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		return fail(argv[1]);
	memory = aligned_alloc(4096, bytes * depth);
	latency = calloc(count, sizeof(*latency));
	if (!memory || !latency)
		return fail("memory");
	memset(memory, 1, bytes * depth);
	for (i = 0; i < depth; i++) {
		io[i].aio_fildes = fd;
		io[i].aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
		io[i].aio_buf = (uintptr_t)memory + i * bytes;
		io[i].aio_nbytes = bytes;
	}
	blocks = size / bytes;
	return run(io, depth, count, latency) || report(latency, count);
}
