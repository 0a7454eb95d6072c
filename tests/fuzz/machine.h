/* SPDX-License-Identifier: MIT */
/*
 * A machine for one worker of the daemon: Xen's event channels and grants, the kernel's
 * io_uring, time, and a guest's memory, all made up in this process. The worker's own
 * thread runs the real loop; each time it would wait, machine.c asks the target what
 * happens next, so that an input always runs the same way.
 *
 * Whatever the worker does with a page that is not mapped, a port that is not bound or a
 * grant beyond its page is a fault, and so is what it still holds at the end.
 */
#ifndef XENMETER_FUZZ_MACHINE_H
#define XENMETER_FUZZ_MACHINE_H

#include <liburing.h>

#include "blk_queue.h"
#include "charged.h"
#include "fuzz.h"
#include "queue.h"
#include "table.h"
#include "worker.h"

#define MACHINE_DOMID	  7
#define MACHINE_OWN_DOMID 3 /* where the worker runs */
#define MACHINE_PAGES	  64
#define MACHINE_PORTS	  16 /* of the guest: 1 to 15 */
#define MACHINE_IOS	  1024
#define MACHINE_FD	  10000	     /* the first that is made up */
#define MACHINE_TICK_NS	  4000000ull /* of the kernel's coarse clock */

/* An I/O that the worker has submitted. */
struct machine_io {
	struct io_uring_sqe sqe;
	bool used;
	uint64_t number;  /* in the order of submission */
	uint64_t after;	  /* begins when this one has ended; 0: has begun */
	uint64_t ends_ns; /* a timer */
};

struct machine_grant {
	bool valid, writable;
};

struct machine {
	struct machine_grant grant[MACHINE_PAGES];
	uint64_t now_ns;       /* the coarse clock is up to MACHINE_TICK_NS behind */
	uint64_t buffer_bytes; /* that the worker may take */
	struct machine_io io[MACHINE_IOS];
	unsigned int ios;
	/* How often what comes next fails. */
	unsigned int put_off, copies_fail, maps_fail, submits_fail;
	unsigned int flags; /* of the submission queue, as the kernel sets them */
	unsigned int notified;
	unsigned int unmapped;		       /* pages, so far */
	unsigned int copied;		       /* likewise, by grant copies */
	unsigned int copies;		       /* calls that did so */
	unsigned int copied_at[MACHINE_PORTS]; /* when the guest was last notified */
	struct lane *lane;		       /* to be a queue's */
	unsigned int submits;		       /* system calls that only submit */
	/* The worker is at rest and the target has seen what it waited for. */
	bool done;
};

extern struct machine machine;

/* What a target gives. */
struct machine_target {
	/* Something happens: at least one byte of the input is used, or, without input,
	 * all comes to an end; machine.done then. */
	void (*step)(struct worker *w);
	/* What an I/O to a descriptor comes to: a result, with the memory filled in. */
	int32_t (*io)(const struct machine_io *io);
	/* What a read without the ring comes to: bytes, or -errno. */
	int32_t (*read)(int fd, void *to, size_t size);
	/* And a write without it. */
	int32_t (*write)(int fd, const struct iovec *iov, int count);
};

/**
 * machine_run() - start a worker, let it run until the target is done, stop it
 * @target: whose steps
 *
 * Checks the books, and that nothing is held.
 */
void machine_run(const struct machine_target *target);

/**
 * machine_serve_disk() - the same for queues of one disk, after machine_reset()
 * @target: whose steps
 * @ret_queue: the queues, while the target runs: number i has its ring in page i + 1, and
 * port i + 1
 * @queues: so many
 * @config: what they have besides; its `lane` is of all but the first
 */
void machine_serve_disk(const struct machine_target *target,
			struct blk_queue *ret_queue[], unsigned int queues,
			const struct blk_queue_config *config);

/* ---- for targets, in step() ---- */

/**
 * machine_reset() - pages zeroed and granted, nothing else
 */
void machine_reset(void);

/**
 * machine_table() - the accounting table of all inputs
 */
struct table *machine_table(void);

/**
 * machine_poke() - the guest writes into a page of its own
 */
void machine_poke(uint32_t gref, uint32_t offset, const void *bytes, size_t size);

/**
 * machine_peek() - the guest reads
 */
void machine_peek(uint32_t gref, uint32_t offset, void *bytes, size_t size);

/**
 * machine_kick() - the guest sends an event through a port of its own
 */
void machine_kick(evtchn_port_t port);

/**
 * machine_tick() - a second has passed
 */
void machine_tick(void);

/**
 * machine_is_quiet() - has the worker got all events, messages and ticks that there are?
 */
bool machine_is_quiet(void);

/**
 * machine_pass() - so much time passes; timers that are due end, the earliest first
 */
void machine_pass(uint64_t ns);

/**
 * machine_next_timer() - when the first timer ends, ns; UINT64_MAX if there is none
 */
uint64_t machine_next_timer(void);

/**
 * machine_complete() - an I/O that has begun ends; a timer, when it is due
 * @which: counted among those, modulo their number
 */
void machine_complete(unsigned int which);

/**
 * machine_report() - the next message from the worker
 *
 * Return: whether there was one.
 */
bool machine_report(struct message *ret);

/**
 * machine_fill_reports() - messages of no queue until the pipe to the control thread is
 * full
 *
 * Return: how many.
 */
unsigned int machine_fill_reports(void);

#endif
