/* SPDX-License-Identifier: MIT */
/*
 * The daemon's half of a lane.
 *
 * The order that the two sides rely on: a slot's contents are written before its state,
 * and read after it. Who waits says so in `sleepers` before it looks at `kick` for the
 * last time (in the kernel), who posts counts `kick` before it looks at `sleepers`; so
 * one of them sees the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lane.h"

#define ALL_SLOTS UINT32_MAX
_Static_assert(LANE_SLOTS == 32, "a bit mask of 32 bits names them");

/* Sealed, so that neither side can take pages away under the other. */
static int lane_make_memory(void)
{
	int fd = memfd_create("xenmeter-lane", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, LANE_BYTES) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return fd;
	close(fd);
	return -EIO;
}

static int lane_open(struct lane *l)
{
	void *all;

	l->memory_fd = lane_make_memory();
	if (l->memory_fd < 0)
		return l->memory_fd;
	l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->done_fd < 0)
		return -errno;
	all = mmap(NULL, LANE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, l->memory_fd, 0);
	if (all == MAP_FAILED)
		return -errno;
	l->shared = all;
	l->data = (uint8_t *)all + LANE_HEAD_BYTES;
	return 0;
}

int lane_new(struct lane **ret_lane)
{
	struct lane *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->free = ALL_SLOTS;
	l->done_fd = -1;
	err = lane_open(l);
	if (err)
		lane_free(l);
	else
		*ret_lane = l;
	return err;
}

static void lane_wake(struct lane_shared *s, int threads)
{
	syscall(SYS_futex, &s->kick, FUTEX_WAKE, threads, NULL, NULL, 0);
}

/* ---- slots ---- */

/* Of all lanes together; each takes of it what its slots may have touched. */
static uint64_t memory_left = UINT64_MAX / 2;

void lane_limit_memory(uint64_t bytes)
{
	__atomic_store_n(&memory_left, bytes, __ATOMIC_RELAXED);
}

static bool lane_take_memory(uint32_t bytes)
{
	uint64_t left = __atomic_load_n(&memory_left, __ATOMIC_RELAXED);

	do {
		if (left < bytes)
			return false;
	} while (!__atomic_compare_exchange_n(&memory_left, &left, left - bytes, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

static void lane_give_memory(struct lane *l, unsigned int i)
{
	__atomic_fetch_add(&memory_left, l->touched[i], __ATOMIC_RELAXED);
	l->touched[i] = 0;
}

unsigned int lane_get(struct lane *l, uint32_t bytes)
{
	unsigned int slot = __builtin_ffs(l->free);
	uint32_t *touched;

	if (!slot)
		return 0;
	touched = &l->touched[slot - 1];
	if (*touched < bytes && !lane_take_memory(bytes - *touched))
		return 0;
	l->free &= ~(1u << (slot - 1));
	l->recent |= 1u << (slot - 1);
	if (*touched < bytes)
		*touched = bytes;
	return slot;
}

void lane_put(struct lane *l, unsigned int slot)
{
	if (slot)
		l->free |= 1u << (slot - 1);
}

void lane_tick(struct lane *l)
{
	uint32_t rested = l->free & ~l->recent;
	unsigned int i;

	for (i = 0; i < LANE_SLOTS; i++) {
		if (!(rested & 1u << i) || !l->touched[i])
			continue;
		madvise(lane_data(l, i + 1), l->touched[i], MADV_REMOVE);
		lane_give_memory(l, i);
	}
	l->recent = 0;
}

/* ---- it goes ---- */

void lane_free(struct lane *l)
{
	unsigned int i;

	if (!l)
		return;
	for (i = 0; i < LANE_SLOTS; i++)
		lane_give_memory(l, i);
	if (l->shared) {
		lane_close(l);
		munmap(l->shared, LANE_BYTES);
	}
	if (l->memory_fd >= 0)
		close(l->memory_fd);
	if (l->done_fd >= 0)
		close(l->done_fd);
	free(l);
}

/* ---- I/O ---- */

void lane_post(struct lane *l, unsigned int slot, const struct lane_op *op)
{
	struct lane_shared *s = l->shared;

	s->slot[slot - 1].op = *op;
	s->slot[slot - 1].turn = l->turn++;
	l->asked[slot - 1] = op->io == LANE_READ || op->io == LANE_WRITE ? op->bytes : 0;
	l->out |= 1u << (slot - 1);
	l->posted = true;
	__atomic_store_n(&s->state[slot - 1], LANE_POSTED, __ATOMIC_RELEASE);
}

void lane_kick(struct lane *l)
{
	if (!l->posted)
		return;
	l->posted = false;
	__atomic_add_fetch(&l->shared->kick, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&l->shared->sleepers, __ATOMIC_SEQ_CST))
		lane_wake(l->shared, 1);
}

/* A result that cannot be is an error of the disk's. */
static int32_t lane_check_result(int32_t result, uint32_t asked)
{
	if (result < 0)
		return result >= -4095 ? result : -EIO;
	return (uint32_t)result <= asked ? result : -EIO;
}

bool lane_take_done(struct lane *l, unsigned int *ret_slot, int32_t *ret_result)
{
	uint32_t left = l->out;

	while (left) {
		unsigned int i = __builtin_ctz(left);

		left &= left - 1;
		if (__atomic_load_n(&l->shared->state[i], __ATOMIC_ACQUIRE) != LANE_DONE)
			continue;
		l->out &= ~(1u << i);
		__atomic_store_n(&l->shared->state[i], LANE_FREE, __ATOMIC_RELAXED);
		*ret_slot = i + 1;
		*ret_result =
			lane_check_result(__atomic_load_n(&l->shared->slot[i].result,
							  __ATOMIC_RELAXED),
					  l->asked[i]);
		return true;
	}
	return false;
}

/* How much a clock has moved on, but at most so much. */
static uint64_t lane_read_clock(const uint64_t *clock, uint64_t *last, uint64_t most)
{
	uint64_t now = __atomic_load_n(clock, __ATOMIC_ACQUIRE);
	uint64_t ns = now - *last;

	*last = now;
	return ns < most ? ns : most;
}

struct lane_cpu lane_take_cpu(struct lane *l, uint64_t now_ns)
{
	uint64_t most = (now_ns - l->cpu_at_ns) * (LANE_THREADS + 1);
	struct lane_shared *s = l->shared;
	struct lane_cpu cpu;

	cpu.own_ns = lane_read_clock(&s->cpu_ns, &l->cpu_ns, most);
	most -= cpu.own_ns;
	cpu.shared_ns = lane_read_clock(&s->shared_ns, &l->shared_ns, most);
	most -= cpu.shared_ns;
	cpu.daemon_ns = lane_read_clock(&s->daemon_ns, &l->daemon_ns, most);
	if (cpu.own_ns || cpu.shared_ns || cpu.daemon_ns)
		l->cpu_at_ns = now_ns;
	return cpu;
}

/* ---- the end ---- */

void lane_close(struct lane *l)
{
	uint32_t open = LANE_OPEN;

	__atomic_compare_exchange_n(&l->shared->life, &open, LANE_CLOSING, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&l->shared->kick, 1, __ATOMIC_SEQ_CST);
	lane_wake(l->shared, INT_MAX);
}

bool lane_is_closed(const struct lane *l)
{
	return __atomic_load_n(&l->shared->life, __ATOMIC_ACQUIRE) == LANE_CLOSED;
}
