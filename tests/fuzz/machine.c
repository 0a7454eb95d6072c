/* SPDX-License-Identifier: MIT */
/*
 * The made-up machine. Pages that are not mapped are poisoned under ASan, so that a
 * worker that still looks at them is caught.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lane.h"
#include "log.h"
#include "machine.h"
#include "sandbox.h"
#include "trace_format.h"

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define CQ_SIZE	    4096u
#define SQ_SIZE	    256u
#define MOST_STEPS  20000 /* of one input: more is a worker that does not come to rest */
#define LANE_EVENT  -7	  /* a descriptor */
#define OWN_PAGES   64	  /* that the worker may grant to this domain; it wants more */
#define OWN_REF	    1000  /* of the first */
#define LAST_COOKIE 4	  /* of worker.c: polls and the tick */

enum cookie { EVENTS = 1, COMMANDS = 2, TICK = 3, REPORTS = 4 };

struct xenevtchn_handle {
	int fd;
};

struct xengntdev_handle {
	int unused;
};

struct port {
	bool bound, pending, masked;
	unsigned int notified;
};

struct machine machine;

static uint8_t memory[MACHINE_PAGES][GRANT_PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t own[OWN_PAGES][GRANT_PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int mapped[MACHINE_PAGES];
static struct port ports[MACHINE_PORTS];
static struct xenevtchn_handle evtchn = { .fd = -1 };
static struct xengntdev_handle gnttab, gntshr;
static unsigned int handles;

static struct {
	struct io_uring_sqe sqe[SQ_SIZE];
	struct io_uring_cqe cqe[CQ_SIZE];
	unsigned int sq_head, sq_tail, cq_head, cq_tail;
	bool armed[LAST_COOKIE + 1];
	int command_fd;
	uint64_t submitted, last_link;
} ring;

/* Memory that is registered; none is where iov_base is NULL. */
static struct iovec registered[BUFFERS_SLABS];
static unsigned int registered_most; /* of those at whose places there ever was some */

static struct worker *worker;
static int report_pipe[2];
static sem_t may_begin, at_rest;
static bool begun, rested, ticked;
static struct trace *trace;
static unsigned int steps;

static const struct machine_target *target;

/* ---- time ---- */

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	uint64_t ns = machine.now_ns;

	if (clock == CLOCK_MONOTONIC_COARSE)
		ns -= ns % MACHINE_TICK_NS;
	else if (clock != CLOCK_MONOTONIC)
		return __real_clock_gettime(clock, ts);
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return 0;
}

/* The tap is read and written without the ring. */
ssize_t __real_read(int fd, void *to, size_t size);
ssize_t __wrap_read(int fd, void *to, size_t size);

static ssize_t read_ports(evtchn_port_t *to, size_t size);

ssize_t __wrap_read(int fd, void *to, size_t size)
{
	int32_t result;

	if (target && fd == evtchn.fd)
		return read_ports(to, size);
	if (!target || fd < MACHINE_FD)
		return __real_read(fd, to, size);
	result = target->read(fd, to, size);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

ssize_t __real_writev(int fd, const struct iovec *iov, int count);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int count);

ssize_t __wrap_writev(int fd, const struct iovec *iov, int count)
{
	int32_t result;

	if (!target || fd < MACHINE_FD)
		return __real_writev(fd, iov, count);
	result = target->write(fd, iov, count);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

ssize_t __real_write(int fd, const void *from, size_t size);
ssize_t __wrap_write(int fd, const void *from, size_t size);

ssize_t __wrap_write(int fd, const void *from, size_t size)
{
	struct iovec whole = { (void *)from, size };

	if (!target || fd < MACHINE_FD)
		return __real_write(fd, from, size);
	return __wrap_writev(fd, &whole, 1);
}

/* A perf event for each input would cost more than the input. */
void switches_open(struct switches *s, uint64_t khz)
{
	static const uint32_t no_mark;

	(void)khz;
	*s = (struct switches){ .detector = SWITCHES_BY_LENGTH,
				.mark = &no_mark,
				.suspicious = UINT64_MAX };
}

void switches_close(struct switches *s)
{
	(void)s;
}

int sandbox_shed(void)
{
	return 0;
}

/* ---- memory ---- */

static void page_open(uint32_t gref)
{
	ASAN_UNPOISON_MEMORY_REGION(memory[gref], GRANT_PAGE_SIZE);
}

static void page_close(uint32_t gref)
{
	if (!mapped[gref])
		ASAN_POISON_MEMORY_REGION(memory[gref], GRANT_PAGE_SIZE);
}

void machine_poke(uint32_t gref, uint32_t offset, const void *bytes, size_t size)
{
	MUST(gref < MACHINE_PAGES && offset <= GRANT_PAGE_SIZE &&
	     size <= GRANT_PAGE_SIZE - offset);
	page_open(gref);
	memcpy(memory[gref] + offset, bytes, size);
	page_close(gref);
}

void machine_peek(uint32_t gref, uint32_t offset, void *bytes, size_t size)
{
	MUST(gref < MACHINE_PAGES && offset <= GRANT_PAGE_SIZE &&
	     size <= GRANT_PAGE_SIZE - offset);
	page_open(gref);
	memcpy(bytes, memory[gref] + offset, size);
	page_close(gref);
}

/* ---- grants ---- */

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger, (void)flags;
	handles++;
	return &gnttab;
}

int xengnttab_close(xengnttab_handle *handle)
{
	MUST(handle == &gnttab);
	handles--;
	return 0;
}

static bool mappable(uint32_t count, uint32_t domid, const uint32_t *ref)
{
	uint32_t i;

	MUST(domid == MACHINE_DOMID && count);
	if (machine.maps_fail) {
		machine.maps_fail--;
		return false;
	}
	for (i = 0; i < count; i++)
		if (ref[i] >= MACHINE_PAGES || !machine.grant[ref[i]].valid ||
		    !machine.grant[ref[i]].writable || ref[i] != ref[0] + i)
			return false;
	return true;
}

static void *map(uint32_t count, uint32_t domid, const uint32_t *ref)
{
	uint32_t i;

	if (!mappable(count, domid, ref)) {
		errno = EINVAL;
		return NULL;
	}
	for (i = 0; i < count; i++) {
		mapped[ref[i]]++;
		page_open(ref[i]);
	}
	return memory[ref[0]];
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *handle, uint32_t count,
				      uint32_t domid, uint32_t *refs, int prot)
{
	(void)prot;
	MUST(handle == &gnttab);
	return map(count, domid, refs);
}

void *xengnttab_map_grant_ref(xengnttab_handle *handle, uint32_t domid, uint32_t ref,
			      int prot)
{
	(void)prot;
	MUST(handle == &gnttab);
	return map(1, domid, &ref);
}

int xengnttab_unmap(xengnttab_handle *handle, void *at, uint32_t count)
{
	uint32_t gref = ((uint8_t *)at - memory[0]) / GRANT_PAGE_SIZE, i;

	MUST(handle == &gnttab && (uint8_t *)at >= memory[0] && gref < MACHINE_PAGES);
	machine.unmapped += count;
	for (i = gref; i < gref + count; i++) {
		MUST(mapped[i]);
		mapped[i]--;
		page_close(i);
	}
	return 0;
}

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger;
	(void)flags;
	handles++;
	return &gntshr;
}

int xengntshr_close(xengntshr_handle *handle)
{
	MUST(handle == &gntshr);
	handles--;
	return 0;
}

void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid, int count,
			    uint32_t *refs, int writable)
{
	int i;

	MUST(handle == &gntshr && domid == MACHINE_OWN_DOMID && writable);
	if (count > OWN_PAGES) {
		errno = ENOSPC;
		return NULL;
	}
	for (i = 0; i < count; i++)
		refs[i] = OWN_REF + i;
	handles++;
	return own;
}

int xengntshr_unshare(xengntshr_handle *handle, void *pages, uint32_t count)
{
	MUST(handle == &gntshr && pages == own && count <= OWN_PAGES);
	handles--;
	return 0;
}

/* The worker's side of a copy. */
static void *own_side(const union xengnttab_copy_ptr *side, bool granted, uint16_t len)
{
	if (!granted)
		return side->virt;
	MUST(side->foreign.domid == DOMID_SELF);
	MUST(side->foreign.ref >= OWN_REF && side->foreign.ref < OWN_REF + OWN_PAGES);
	MUST(side->foreign.offset + len <= GRANT_PAGE_SIZE);
	return own[side->foreign.ref - OWN_REF] + side->foreign.offset;
}

static bool is_the_guests(const union xengnttab_copy_ptr *side)
{
	return side->foreign.domid == MACHINE_DOMID;
}

static int16_t copy_one(const xengnttab_grant_copy_segment_t *s)
{
	bool from = s->flags & GNTCOPY_source_gref && is_the_guests(&s->source);
	const union xengnttab_copy_ptr *guests = from ? &s->source : &s->dest;
	uint16_t granted = s->flags & (from ? GNTCOPY_dest_gref : GNTCOPY_source_gref);
	void *ours = own_side(from ? &s->dest : &s->source, granted, s->len);
	uint32_t ref = guests->foreign.ref, offset = guests->foreign.offset;

	MUST(s->flags & (from ? GNTCOPY_source_gref : GNTCOPY_dest_gref));
	MUST(is_the_guests(guests));
	MUST(s->len && s->len <= GRANT_PAGE_SIZE && offset + s->len <= GRANT_PAGE_SIZE);
	if (machine.put_off) {
		machine.put_off--;
		return GNTST_eagain;
	}
	if (ref >= MACHINE_PAGES || !machine.grant[ref].valid)
		return GNTST_bad_gntref;
	if (!from && !machine.grant[ref].writable)
		return GNTST_permission_denied;
	if (from)
		machine_peek(ref, offset, ours, s->len);
	else
		machine_poke(ref, offset, ours, s->len);
	return GNTST_okay;
}

int xengnttab_grant_copy(xengnttab_handle *handle, uint32_t count,
			 xengnttab_grant_copy_segment_t *segs)
{
	uint32_t i;

	MUST(handle == &gnttab && count);
	if (machine.copies_fail) {
		machine.copies_fail--;
		errno = ENOMEM;
		return -1;
	}
	machine.copied += count;
	machine.copies++;
	for (i = 0; i < count; i++)
		segs[i].status = copy_one(&segs[i]);
	return 0;
}

/* ---- event channels: a local port is the guest's number ---- */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	(void)logger, (void)flags;
	if (evtchn.fd < 0)
		evtchn.fd = eventfd(0, EFD_CLOEXEC);
	handles++;
	return &evtchn;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
	MUST(handle == &evtchn);
	handles--;
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	return handle->fd;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *handle,
						     uint32_t domid, evtchn_port_t remote)
{
	MUST(handle == &evtchn && domid == MACHINE_DOMID);
	if (!remote || remote >= MACHINE_PORTS || ports[remote].bound) {
		errno = EINVAL;
		return -1;
	}
	ports[remote] = (struct port){ .bound = true, .pending = true };
	return remote;
}

static struct port *bound_port(xenevtchn_handle *handle, evtchn_port_t port)
{
	MUST(handle == &evtchn && port < MACHINE_PORTS && ports[port].bound);
	return &ports[port];
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
	bound_port(handle, port)->bound = false;
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
	bound_port(handle, port)->notified++;
	machine.copied_at[port] = machine.copied;
	machine.notified++;
	return 0;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
	bound_port(handle, port)->masked = false;
	return 0;
}

static struct port *deliverable(void)
{
	unsigned int i;

	for (i = 1; i < MACHINE_PORTS; i++)
		if (ports[i].pending && !ports[i].masked)
			return &ports[i];
	return NULL;
}

/* What a reading of the event-channel device gives. */
static ssize_t read_ports(evtchn_port_t *to, size_t size)
{
	size_t count = 0;
	struct port *port;

	while (count < size / sizeof(*to) && (port = deliverable())) {
		port->pending = false;
		port->masked = true;
		to[count++] = port - ports;
	}
	if (count)
		return count * sizeof(*to);
	errno = EAGAIN;
	return -1;
}

void machine_kick(evtchn_port_t port)
{
	if (port < MACHINE_PORTS && ports[port].bound)
		ports[port].pending = true;
}

/* ---- io_uring ---- */

static void post(uint64_t user_data, int32_t result)
{
	MUST(ring.cq_tail - ring.cq_head < CQ_SIZE);
	ring.cqe[ring.cq_tail++ % CQ_SIZE] =
		(struct io_uring_cqe){ .user_data = user_data, .res = result };
}

/* As the kernel does: the memory of a fixed read or write lies in what is registered. */
static void check_fixed(const struct io_uring_sqe *sqe)
{
	const struct iovec *iov = &registered[sqe->buf_index];
	uint64_t base = (uintptr_t)iov->iov_base;

	if (sqe->opcode != IORING_OP_READ_FIXED && sqe->opcode != IORING_OP_WRITE_FIXED)
		return;
	MUST(base && sqe->addr >= base && sqe->addr + sqe->len <= base + iov->iov_len);
}

static void listen_to(const struct io_uring_sqe *sqe);
static bool end_in_lane(const struct machine_io *io, int32_t result);

/* The time is read when the timer is submitted. */
static uint64_t ends_ns(uint64_t timespec)
{
	const struct __kernel_timespec *ts = (const void *)(uintptr_t)timespec;

	return ts->tv_sec * 1000000000ull + ts->tv_nsec;
}

static struct machine_io *find_timer(uint64_t user_data)
{
	unsigned int i;

	for (i = 0; i < MACHINE_IOS; i++)
		if (machine.io[i].used && machine.io[i].sqe.opcode == IORING_OP_TIMEOUT &&
		    machine.io[i].sqe.user_data == user_data)
			return &machine.io[i];
	return NULL;
}

/* A timer that has not ended gets another time. */
static int32_t move_timer(const struct io_uring_sqe *sqe)
{
	struct machine_io *timer = find_timer(sqe->addr);

	MUST(sqe->timeout_flags == (IORING_TIMEOUT_UPDATE | IORING_TIMEOUT_ABS));
	if (!timer)
		return -ENOENT;
	timer->ends_ns = ends_ns(sqe->off);
	return 0;
}

static void queue_io(const struct io_uring_sqe *sqe)
{
	unsigned int i = 0;

	check_fixed(sqe);
	while (machine.io[i].used)
		i++;
	MUST(i < MACHINE_IOS - 1);
	machine.io[i] = (struct machine_io){ .sqe = *sqe,
					     .used = true,
					     .number = ++ring.submitted,
					     .after = ring.last_link };
	if (sqe->opcode == IORING_OP_TIMEOUT)
		machine.io[i].ends_ns = ends_ns(sqe->addr);
	ring.last_link = sqe->flags & IOSQE_IO_HARDLINK ? ring.submitted : 0;
	machine.ios++;
}

static void submit_one(const struct io_uring_sqe *sqe)
{
	if (sqe->user_data > LAST_COOKIE) {
		if (sqe->fd == LANE_EVENT)
			listen_to(sqe);
		else if (sqe->opcode == IORING_OP_TIMEOUT_REMOVE)
			post(sqe->user_data, move_timer(sqe));
		else
			queue_io(sqe);
		return;
	}
	MUST(sqe->user_data && !ring.armed[sqe->user_data]);
	ring.armed[sqe->user_data] = true;
	if (sqe->user_data == COMMANDS)
		ring.command_fd = sqe->fd;
}

static int consume(struct io_uring *r)
{
	unsigned int first = ring.sq_head;

	r->sq.sqe_head = r->sq.sqe_tail;
	while (ring.sq_head != r->sq.sqe_tail)
		submit_one(&ring.sqe[ring.sq_head++ % SQ_SIZE]);
	return ring.sq_head - first;
}

static void end_io(struct machine_io *io, int32_t result)
{
	unsigned int i;

	for (i = 0; i < MACHINE_IOS; i++)
		if (machine.io[i].used && machine.io[i].after == io->number)
			machine.io[i].after = 0;
	io->used = false;
	machine.ios--;
	if (!end_in_lane(io, result))
		post(io->sqe.user_data, result);
}

/* What waits under that cookie ends. */
static int32_t cancel(uint64_t user_data)
{
	unsigned int i;

	for (i = 0; i < MACHINE_IOS; i++) {
		struct machine_io *io = &machine.io[i];

		if (!io->used || io->sqe.user_data != user_data)
			continue;
		end_io(io, -ECANCELED);
		return 0;
	}
	return -ENOENT;
}

/* ---- a lane: what is posted there is I/O like any other, in the helper ---- */

static struct {
	struct lane lane;
	struct lane_shared shared;
	int32_t result[LANE_SLOTS];
	uint32_t done; /* bit mask */
	bool event;    /* something was done, and nobody was told */
	bool closed;
	uint64_t listener; /* user_data of who waits for it; 0: nobody */
} helper;

static void tell_listener(void)
{
	if (helper.event && helper.listener) {
		uint64_t listener = helper.listener;

		helper.event = false;
		helper.listener = 0;
		post(listener, sizeof(uint64_t));
	}
}

static void listen_to(const struct io_uring_sqe *sqe)
{
	MUST(sqe->opcode == IORING_OP_READ && !helper.listener);
	helper.listener = sqe->user_data;
	tell_listener();
}

static bool end_in_lane(const struct machine_io *io, int32_t result)
{
	uint64_t slot = io->sqe.user_data - (uintptr_t)helper.result;

	if (io->sqe.user_data < (uintptr_t)helper.result || slot >= sizeof(helper.result))
		return false;
	slot /= sizeof(int32_t);
	helper.result[slot] = result;
	helper.done |= 1u << slot;
	helper.event = true;
	tell_listener();
	return true;
}

static void reset_lane(void)
{
	static uint8_t *data;

	if (!data)
		data = mmap(NULL, LANE_SLOTS * LANE_SLOT_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	memset(&helper, 0, sizeof(helper));
	helper.lane.data = data;
	helper.lane.done_fd = LANE_EVENT;
	helper.lane.shared = &helper.shared;
	helper.lane.free = UINT32_MAX;
	machine.lane = &helper.lane;
}

unsigned int lane_get(struct lane *l, uint32_t bytes)
{
	unsigned int slot = __builtin_ffs(l->free);

	MUST(l == &helper.lane && bytes <= LANE_SLOT_BYTES);
	if (slot)
		l->free &= ~(1u << (slot - 1));
	return slot;
}

void lane_put(struct lane *l, unsigned int slot)
{
	if (!slot)
		return;
	MUST(!(l->free & 1u << (slot - 1)) && !(l->out & 1u << (slot - 1)));
	l->free |= 1u << (slot - 1);
}

void lane_post(struct lane *l, unsigned int slot, const struct lane_op *op)
{
	struct io_uring_sqe sqe = { .fd = MACHINE_FD, .flags = IOSQE_ASYNC };
	uint8_t *data = lane_data(l, slot);

	MUST(!(l->free & 1u << (slot - 1)) && !(l->out & 1u << (slot - 1)));
	sqe.off = op->offset;
	switch ((enum lane_io)op->io) {
	case LANE_READ:
	case LANE_WRITE:
		MUST(op->at + op->bytes <= LANE_SLOT_BYTES);
		sqe.opcode = op->io == LANE_READ ? IORING_OP_READ : IORING_OP_WRITE;
		sqe.addr = (uintptr_t)(data + op->at);
		sqe.len = op->bytes;
		break;
	case LANE_FLUSH:
		sqe.opcode = IORING_OP_FSYNC;
		break;
	case LANE_PUNCH:
		sqe.opcode = IORING_OP_FALLOCATE;
		sqe.addr = op->bytes;
		break;
	case LANE_DISCARD:
		sqe.opcode = IORING_OP_URING_CMD;
		sqe.addr = op->offset;
		sqe.addr3 = op->bytes;
		break;
	}
	l->out |= 1u << (slot - 1);
	sqe.user_data = (uintptr_t)&helper.result[slot - 1];
	queue_io(&sqe);
}

void lane_kick(struct lane *l)
{
	(void)l;
}

bool lane_take_done(struct lane *l, unsigned int *ret_slot, int32_t *ret_result)
{
	unsigned int slot = __builtin_ffs(helper.done);

	if (!slot)
		return false;
	helper.done &= ~(1u << (slot - 1));
	l->out &= ~(1u << (slot - 1));
	*ret_slot = slot;
	*ret_result = helper.result[slot - 1];
	return true;
}

struct lane_cpu lane_take_cpu(struct lane *l, uint64_t now_ns)
{
	(void)l, (void)now_ns;
	return (struct lane_cpu){ 0 };
}

void lane_tick(struct lane *l)
{
	(void)l;
}

void lane_close(struct lane *l)
{
	MUST(!l->out && l->free == UINT32_MAX);
	helper.closed = helper.event = true;
	tell_listener();
}

bool lane_is_closed(const struct lane *l)
{
	(void)l;
	return helper.closed;
}

/* ---- what I/O comes to ---- */

static int32_t outcome(const struct machine_io *io)
{
	switch (io->sqe.opcode) {
	case IORING_OP_TIMEOUT:
		if (machine.now_ns < io->ends_ns)
			machine.now_ns = io->ends_ns;
		return -ETIME;
	case IORING_OP_POLL_ADD:
		return POLLIN;
	case IORING_OP_ASYNC_CANCEL:
		MUST(!io->sqe.cancel_flags);
		return cancel(io->sqe.addr);
	default:
		return target->io(io);
	}
}

void machine_complete(unsigned int which)
{
	unsigned int begun_ios = 0, i;

	for (i = 0; i < MACHINE_IOS; i++)
		begun_ios += machine.io[i].used && !machine.io[i].after;
	if (!begun_ios)
		return;
	which %= begun_ios;
	for (i = 0; i < MACHINE_IOS; i++) {
		struct machine_io *io = &machine.io[i];

		if (!io->used || io->after || which--)
			continue;
		end_io(io, outcome(io));
		return;
	}
}

static struct machine_io *first_timer(void)
{
	struct machine_io *first = NULL;
	unsigned int i;

	for (i = 0; i < MACHINE_IOS; i++) {
		struct machine_io *io = &machine.io[i];

		if (io->used && io->sqe.opcode == IORING_OP_TIMEOUT &&
		    (!first || io->ends_ns < first->ends_ns))
			first = io;
	}
	return first;
}

uint64_t machine_next_timer(void)
{
	const struct machine_io *timer = first_timer();

	return timer ? timer->ends_ns : UINT64_MAX;
}

void machine_pass(uint64_t ns)
{
	uint64_t until = machine.now_ns + ns;

	while (machine_next_timer() <= until)
		end_io(first_timer(), -ETIME);
	machine.now_ns = until;
}

void machine_tick(void)
{
	machine_pass(1000000000);
	ticked = true;
}

static void fire(enum cookie cookie)
{
	ring.armed[cookie] = false;
	post(cookie, 1);
}

static bool command_waits(void)
{
	struct pollfd fd = { .fd = ring.command_fd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static bool report_fits(void)
{
	struct pollfd fd = { .fd = report_pipe[1], .events = POLLOUT };

	return poll(&fd, 1, 0) == 1;
}

bool machine_is_quiet(void)
{
	return !deliverable() && !command_waits() && !ticked;
}

static void deliver(void)
{
	if (ring.armed[EVENTS] && deliverable())
		fire(EVENTS);
	if (ring.armed[COMMANDS] && command_waits())
		fire(COMMANDS);
	if (ring.armed[TICK] && ticked)
		fire(TICK);
	if (ring.armed[REPORTS] && report_fits())
		fire(REPORTS);
	ticked = false;
}

/* The target is done: only the order to stop is still to come. */
static void rest(void)
{
	if (!rested)
		sem_post(&at_rest);
	rested = true;
	while (!command_waits())
		poll(&(struct pollfd){ .fd = ring.command_fd, .events = POLLIN }, 1, -1);
}

static void happen(void)
{
	if (!begun) {
		while (sem_wait(&may_begin))
			;
		begun = true;
	}
	if (machine.done) {
		rest();
	} else {
		MUST(++steps < MOST_STEPS);
		target->step(worker);
	}
	deliver();
}

int io_uring_queue_init_params(unsigned int entries, struct io_uring *r,
			       struct io_uring_params *p)
{
	(void)p;
	MUST(entries == SQ_SIZE);
	memset(r, 0, sizeof(*r));
	r->sq.khead = &ring.sq_head;
	r->sq.ktail = &ring.sq_tail;
	r->sq.kflags = &machine.flags;
	r->sq.sqes = ring.sqe;
	r->sq.ring_entries = SQ_SIZE;
	r->sq.ring_mask = SQ_SIZE - 1;
	r->cq.khead = &ring.cq_head;
	r->cq.ktail = &ring.cq_tail;
	r->cq.cqes = ring.cqe;
	r->cq.ring_entries = CQ_SIZE;
	r->cq.ring_mask = CQ_SIZE - 1;
	return 0;
}

void io_uring_queue_exit(struct io_uring *r)
{
	(void)r;
}

int io_uring_register_ring_fd(struct io_uring *r)
{
	(void)r;
	return 1;
}

int io_uring_register_buffers_sparse(struct io_uring *r, unsigned int nr)
{
	(void)r;
	MUST(nr == BUFFERS_SLABS);
	return 0;
}

static bool in_flight_from(unsigned int slab)
{
	unsigned int i;

	for (i = 0; i < MACHINE_IOS; i++)
		if (machine.io[i].used &&
		    (machine.io[i].sqe.opcode == IORING_OP_READ_FIXED ||
		     machine.io[i].sqe.opcode == IORING_OP_WRITE_FIXED) &&
		    machine.io[i].sqe.buf_index == slab)
			return true;
	return false;
}

/* The limit of locked memory is four slabs. */
static bool may_register(void)
{
	unsigned int count = 0, i;

	for (i = 0; i < registered_most; i++)
		count += registered[i].iov_base != NULL;
	return count < 4;
}

int io_uring_register_buffers_update_tag(struct io_uring *r, unsigned int offset,
					 const struct iovec *iovecs, const __u64 *tags,
					 unsigned int nr)
{
	(void)r, (void)tags;
	MUST(nr == 1 && offset < BUFFERS_SLABS && !in_flight_from(offset));
	if (iovecs->iov_base && !may_register())
		return -ENOMEM;
	registered[offset] = *iovecs;
	if (offset >= registered_most)
		registered_most = offset + 1;
	return 1;
}

int io_uring_submit(struct io_uring *r)
{
	machine.submits++;
	r->sq.sqe_head = r->sq.sqe_tail; /* shown to the kernel, whatever it says */
	if (machine.submits_fail) {
		machine.submits_fail--;
		return -EBUSY;
	}
	return consume(r);
}

int io_uring_get_events(struct io_uring *r)
{
	(void)r;
	return 0;
}

int io_uring_submit_and_wait(struct io_uring *r, unsigned int wait_nr)
{
	(void)wait_nr;
	consume(r);
	do
		happen();
	while (ring.cq_head == ring.cq_tail);
	return 0;
}

int io_uring_submit_and_get_events(struct io_uring *r)
{
	consume(r);
	happen();
	return 0;
}

unsigned int io_uring_peek_batch_cqe(struct io_uring *r, struct io_uring_cqe **cqes,
				     unsigned int count)
{
	unsigned int i;

	(void)r;
	for (i = 0; i < count && ring.cq_head + i != ring.cq_tail; i++)
		cqes[i] = &ring.cqe[(ring.cq_head + i) % CQ_SIZE];
	return i;
}

/* ---- a run ---- */

bool machine_report(struct message *ret)
{
	return read(report_pipe[0], ret, sizeof(*ret)) == sizeof(*ret);
}

unsigned int machine_fill_reports(void)
{
	struct message m = { .kind = MESSAGE_STARTED };
	unsigned int count = 0;

	while (write(report_pipe[1], &m, sizeof(m)) == sizeof(m))
		count++;
	return count;
}

struct table *machine_table(void)
{
	static struct table *table;
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 2000000, 25 };
	char path[64] = "/tmp/xenmeter-fuzz-XXXXXX";
	int fd;

	if (table)
		return table;
	log_set_level(LOG_LEVEL_ERROR);
	fd = mkstemp(path);
	MUST(fd >= 0 && !close(fd) && !table_create(path, &clock, 1, 8, &table));
	MUST(!trace_create(path, table, &clock, 1, 64, &trace));
	unlink(path);
	strcat(path, TRACE_SUFFIX);
	unlink(path);
	MUST(!pipe2(report_pipe, O_CLOEXEC | O_NONBLOCK));
	sem_init(&may_begin, 0, 0);
	sem_init(&at_rest, 0, 0);
	return table;
}

void machine_reset(void)
{
	uint32_t i;

	memset(&machine, 0, sizeof(machine));
	memset(&ring, 0, sizeof(ring));
	memset(ports, 0, sizeof(ports));
	memset(registered, 0, registered_most * sizeof(registered[0]));
	registered_most = 0;
	machine.now_ns = 100000000000;
	machine.buffer_bytes = 64 << 20;
	reset_lane();
	begun = rested = ticked = false;
	steps = 0;
	for (i = 0; i < MACHINE_PAGES; i++) {
		machine.grant[i] = (struct machine_grant){ true, true };
		page_open(i);
		memset(memory[i], 0, GRANT_PAGE_SIZE);
		page_close(i);
	}
}

static void check_nothing_held(const struct worker *w)
{
	unsigned int i;

	for (i = 0; i < MACHINE_PAGES; i++)
		MUST(!mapped[i]);
	for (i = 0; i < MACHINE_PORTS; i++)
		MUST(!ports[i].bound);
	MUST(!machine.ios);
	MUST(!w->queues);
	MUST(!w->scratch.out && !w->scratch.at);
	for (i = 0; i < w->buffers.slabs; i++) {
		const struct slab *slab = &w->buffers.slab[i];

		MUST(slab->state == SLAB_ABSENT ||
		     slab->left == BUFFERS_SLAB_SIZE / BUFFERS_MIN_SIZE >> slab->class);
	}
}

static void check_books(const struct worker_row *wr)
{
	const uint64_t *c = worker_row_counters(wr);

	MUST(!c[WORKER_open] && !c[WORKER_audits_failed]);
	MUST(c[WORKER_charged] + c[WORKER_idle] + c[WORKER_overhead] +
		     c[WORKER_unattributed] ==
	     c[WORKER_elapsed]);
}

void machine_run(const struct machine_target *t)
{
	struct worker_config config = { .workers = 1,
					.table = machine_table(),
					.khz = 2000000,
					.domid = MACHINE_OWN_DOMID,
					.buffer_bytes = machine.buffer_bytes };
	struct message m;

	target = t;
	config.report_fd = report_pipe[1];
	config.trace = trace;
	MUST(!worker_start(&config, &worker));
	/* A reader has switched the trace on. */
	*(uint64_t *)worker->trace.until_ms = UINT64_MAX;
	sem_post(&may_begin);
	while (sem_wait(&at_rest))
		;
	check_nothing_held(worker);
	worker_stop(worker);
	MUST(!handles);
	check_books(table_worker(machine_table(), 0));
	while (machine_report(&m))
		;
}

static struct blk_queue *make_queue(unsigned int i, const struct blk_queue_config *config)
{
	struct row_key key = { .domid = MACHINE_DOMID, .device = "vbd", .queue = i };
	struct blk_queue *q = blk_queue_new();

	MUST(q);
	q->config = *config;
	q->config.ring_ref[0] = i + 1;
	q->config.ring_pages = 1;
	q->config.remote_port = i + 1;
	q->config.abi = BLKIF_ABI_X86_64;
	if (!i)
		q->config.lane = NULL;
	q->base.domid = MACHINE_DOMID;
	q->base.row = table_claim_row(machine_table(), &key, 0);
	MUST(q->base.row);
	return q;
}

void machine_serve_disk(const struct machine_target *t, struct blk_queue *queue[],
			unsigned int queues, const struct blk_queue_config *config)
{
	unsigned int i;

	for (i = 0; i < queues; i++)
		queue[i] = make_queue(i, config);
	machine_run(t);
	for (i = 0; i < queues; i++)
		blk_queue_free(queue[i]);
}
