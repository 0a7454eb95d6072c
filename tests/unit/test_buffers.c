/* SPDX-License-Identifier: MIT */
/*
 * Buffers: where they lie, when their slab is registered and with what they then read;
 * what a kernel refuses; when memory goes back.
 */
#include <cap-ng.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "buffers.h"
#include "check.h"

#define SLAB  BUFFERS_SLAB_SIZE
#define LARGE (64u << 10)

static struct buffers pool;
static struct io_uring ring;

static size_t bytes_in_use(void)
{
	size_t sum = 0, size;
	unsigned int i;

	for (i = 0; i < pool.slabs; i++) {
		if (pool.slab[i].state == SLAB_ABSENT)
			continue;
		size = (size_t)BUFFERS_MIN_SIZE << pool.slab[i].class;
		sum += SLAB - pool.slab[i].left * size;
	}
	return sum;
}

static void check_empty(void)
{
	CHECK_EQ(pool.slabs, 0);
	CHECK_EQ(pool.present, 0);
	CHECK_EQ(pool.roomy[0], BUFFERS_SLABS);
	CHECK_EQ(pool.roomy[BUFFERS_CLASSES - 1], BUFFERS_SLABS);
}

static void rest(unsigned int ticks)
{
	while (ticks--)
		buffers_tick(&pool);
}

static bool resident(void *at)
{
	unsigned char there = 0;

	CHECK(!mincore(at, BUFFERS_MIN_SIZE, &there));
	return there;
}

static void test_size(void)
{
	CHECK_EQ(buffers_size(0), 0);
	CHECK_EQ(buffers_size(1), 4096);
	CHECK_EQ(buffers_size(4096), 4096);
	CHECK_EQ(buffers_size(4097), 8192);
	CHECK_EQ(buffers_size(BUFFERS_MAX_SIZE), BUFFERS_MAX_SIZE);
}

/* Each byte of each buffer is in one slab, and slabs follow one another. */
static void test_place(void)
{
	unsigned int i, n = 2 * SLAB / LARGE + 1;
	uint8_t *taken[65], *first;

	CHECK(n <= 65);
	for (i = 0; i < n; i++) {
		taken[i] = buffers_get(&pool, LARGE);
		CHECK(taken[i] && (uintptr_t)taken[i] % 4096 == 0);
		memset(taken[i], i, LARGE);
	}
	CHECK_EQ(pool.slabs, 3);
	first = pool.range;
	for (i = 0; i < n; i++) {
		CHECK((taken[i] - first) / SLAB == i * LARGE / SLAB);
		CHECK((taken[i] + LARGE - 1 - first) / SLAB == i * LARGE / SLAB);
		CHECK(taken[i][0] == i && taken[i][LARGE - 1] == i);
	}
	CHECK_EQ(bytes_in_use(), n * LARGE);
	for (i = 0; i < n; i++)
		buffers_put(&pool, taken[i]);
	buffers_put(&pool, NULL);
	CHECK_EQ(bytes_in_use(), 0);
}

/* Only what is taken is touched, and what was put is taken first. */
static void test_touch(void)
{
	uint8_t *first = buffers_get(&pool, 4096), *second;

	first[0] = 1;
	CHECK(resident(first) && !resident(first + 4096));
	second = buffers_get(&pool, 4096);
	CHECK(second == first + 4096 && !resident(second));
	buffers_put(&pool, first);
	CHECK(buffers_get(&pool, 4096) == first);
	buffers_put(&pool, first);
	buffers_put(&pool, second);
	rest(BUFFERS_IDLE_TICKS + 1);
	check_empty();
}

/* In whatever order they were put, what is taken next lies one after the other. */
static void test_order(void)
{
	uint8_t *taken[100];
	unsigned int i;

	for (i = 0; i < 100; i++)
		taken[i] = buffers_get(&pool, 4096);
	for (i = 0; i < 100; i++) /* 37 and 100 have no divisor in common */
		buffers_put(&pool, taken[i * 37 % 100]);
	for (i = 0; i < 100; i++)
		CHECK(buffers_get(&pool, 4096) == taken[0] + i * 4096);
	for (i = 0; i < 100; i++)
		buffers_put(&pool, taken[i]);
	rest(BUFFERS_IDLE_TICKS + 1);
	check_empty();
}

/* Memory stays while it is used, and for some ticks; then the kernel has it. */
static void test_trim(void)
{
	uint8_t *held = buffers_get(&pool, 4096);

	held[0] = 1;
	rest(10 * BUFFERS_IDLE_TICKS);
	CHECK(pool.slabs && resident(held));
	buffers_put(&pool, held);
	rest(BUFFERS_IDLE_TICKS);
	CHECK(pool.slabs && resident(held));
	buffers_put(&pool, buffers_get(&pool, 4096));
	rest(BUFFERS_IDLE_TICKS);
	CHECK(pool.slabs && resident(held));
	rest(1);
	check_empty();
	CHECK(!resident(held));
}

/* A guest that walks through all sizes needs no more memory than for the largest of them,
 * and what one slab does not need goes back while another is in use. */
static void test_any_size(void)
{
	uint8_t *taken[SLAB / LARGE * 4], *held;
	size_t size;
	unsigned int i, n;

	for (size = BUFFERS_MAX_SIZE; size >= LARGE; size /= 2) {
		n = 4 * SLAB / BUFFERS_MAX_SIZE;
		for (i = 0; i < n; i++)
			taken[i] = buffers_get(&pool, size);
		CHECK(pool.present <= 4);
		for (i = 0; i < n; i++)
			buffers_put(&pool, taken[i]);
	}
	held = buffers_get(&pool, 4096);
	CHECK_EQ(pool.present, 4);
	rest(BUFFERS_IDLE_TICKS + 1);
	CHECK_EQ(pool.present, 1);
	held[0] = 1;
	buffers_put(&pool, held);
	rest(BUFFERS_IDLE_TICKS + 1);
	check_empty();
}

/* Against a model: no two buffers share a byte, whatever is taken and put. */
static void test_random(void)
{
	static struct {
		uint8_t *at;
		size_t size;
	} slot[256];
	unsigned int seed = 12345, round, i;
	size_t in_use = 0;

	for (round = 0; round < 20000; round++) {
		i = rand_r(&seed) % 256;
		if (slot[i].at) {
			CHECK_EQ(slot[i].at[0], i);
			CHECK_EQ(slot[i].at[slot[i].size - 1], i);
			buffers_put(&pool, slot[i].at);
			in_use -= buffers_size(slot[i].size);
			slot[i].at = NULL;
		} else {
			slot[i].size =
				1 + (rand_r(&seed) & ((4096u << rand_r(&seed) % 9) - 1));
			slot[i].at = buffers_get(&pool, slot[i].size);
			CHECK(slot[i].at);
			in_use += buffers_size(slot[i].size);
			slot[i].at[slot[i].size - 1] = i;
			slot[i].at[0] = i;
		}
		CHECK_EQ(bytes_in_use(), in_use);
		if (!(rand_r(&seed) % 512))
			rest(1);
	}
	for (i = 0; i < 256; i++)
		buffers_put(&pool, slot[i].at);
	rest(BUFFERS_IDLE_TICKS + 1);
	check_empty();
}

/* No more than it may; what was given back serves another size. */
static void test_most(void)
{
	uint8_t *a, *b;

	pool.most = 1;
	a = buffers_get(&pool, BUFFERS_MAX_SIZE);
	b = buffers_get(&pool, BUFFERS_MAX_SIZE);
	CHECK(a && b && !buffers_get(&pool, 4096));
	buffers_put(&pool, a);
	CHECK(!buffers_get(&pool, 4096));
	buffers_put(&pool, b);
	b = buffers_get(&pool, 4096);
	CHECK(b);
	buffers_put(&pool, b);
	rest(BUFFERS_IDLE_TICKS + 1);
	check_empty();
	pool.most = BUFFERS_SLABS;
}

/* Without a ring nothing is ever registered. */
static void test_plain(void)
{
	void *memory = buffers_get(&pool, LARGE);
	unsigned int i;

	for (i = 0; i < 2 * SLAB / LARGE; i++)
		CHECK_EQ(buffers_registered(&pool, memory, LARGE), -1);
	buffers_put(&pool, memory);
}

/* A slab is registered when as much has moved as it is large, and no other with it. */
static int wear_in(void *memory)
{
	unsigned int i;

	for (i = 0; i < SLAB / LARGE - 1; i++)
		CHECK_EQ(buffers_registered(&pool, memory, LARGE), -1);
	return buffers_registered(&pool, memory, LARGE);
}

static int read_fixed(int fd, void *memory, int index)
{
	struct io_uring_cqe *cqe;
	int result;

	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, memory, 4096, 0, index);
	CHECK_EQ(io_uring_submit_and_wait(&ring, 1), 1);
	CHECK(!io_uring_peek_cqe(&ring, &cqe));
	result = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return result;
}

static void check_read(int fd, uint8_t *memory, int index)
{
	memset(memory, 0, 4096);
	CHECK_EQ(read_fixed(fd, memory, index), 4096);
	CHECK(memory[0] == 0x5a && memory[4095] == 0x5a);
}

/* Its memory was returned and is another: what is read must arrive there. */
static void test_registered(int fd)
{
	uint8_t *small, *large;
	unsigned int round;

	for (round = 0; round < 3; round++) {
		small = buffers_get(&pool, 4096);
		large = buffers_get(&pool, LARGE);
		CHECK_EQ(wear_in(large), 1);
		CHECK_EQ(buffers_registered(&pool, small, 4096), -1);
		CHECK_EQ(buffers_registered(&pool, large + 4096, 4096), 1);
		check_read(fd, large, 1);
		check_read(fd, large + LARGE - 4096, 1);
		CHECK_EQ(read_fixed(fd, small, 1), -EFAULT);
		buffers_put(&pool, large);
		buffers_put(&pool, small);
		rest(BUFFERS_IDLE_TICKS + 1);
		check_empty();
		CHECK_EQ(read_fixed(fd, large, 1), -EFAULT);
	}
}

/* A kernel that lets nothing more be locked: asked once, and served plainly from then. */
static void test_refused(void)
{
	uint8_t *memory = buffers_get(&pool, LARGE);
	unsigned int i;

	CHECK_EQ(wear_in(memory), -1);
	CHECK_EQ(pool.slab[0].state, SLAB_REFUSED);
	for (i = 0; i < SLAB / LARGE; i++)
		CHECK_EQ(buffers_registered(&pool, memory, LARGE), -1);
	buffers_put(&pool, memory);
	rest(BUFFERS_IDLE_TICKS + 1);
	check_empty();
}

static bool open_ring(void)
{
	if (io_uring_queue_init(8, &ring, 0))
		return false;
	buffers_open(&pool, &ring, UINT64_MAX);
	return pool.ring;
}

static void close_ring(void)
{
	io_uring_queue_exit(&ring);
	buffers_close(&pool);
	CHECK(!pool.range && !pool.ring);
}

/* Enough for a ring, which counts as well, but not for a slab. CAP_IPC_LOCK
 * would lift it. */
static void limit_locked(void)
{
	struct rlimit some = { SLAB / 2, SLAB / 2 };

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &some));
	capng_get_caps_process();
	capng_update(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_IPC_LOCK);
	CHECK(!capng_apply(CAPNG_SELECT_CAPS));
}

int main(void)
{
	const char *directory = check_directory();
	uint8_t page[4096];
	char path[256];
	int fd;

	test_size();
	buffers_open(&pool, NULL, UINT64_MAX);
	test_touch();
	test_order();
	test_place();
	test_trim();
	test_any_size();
	test_random();
	test_most();
	test_plain();
	buffers_close(&pool);
	snprintf(path, sizeof(path), "%s/disk", directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	memset(page, 0x5a, sizeof(page));
	CHECK_EQ(write(fd, page, sizeof(page)), sizeof(page));
	check_remove_directory(directory);
	if (!open_ring()) {
		printf("no io_uring, or one that takes no buffers (before Linux 5.19)\n");
		return CHECK_SKIP;
	}
	test_registered(fd);
	close_ring();
	limit_locked();
	CHECK(open_ring());
	test_refused();
	close_ring();
	close(fd);
	return 0;
}
