/* SPDX-License-Identifier: MIT */
/*
 * Every resource that a guest can drive has its maximum here. Reaching one slows or
 * refuses that guest alone.
 */
#ifndef XENMETER_GUEST_LIMITS_H
#define XENMETER_GUEST_LIMITS_H

/* Rows of the accounting table: one for each device and each queue of all guests
 * together, and row 0. */
#define LIMIT_ROWS 6144

/* multi-queue-max-queues. Linux offers one for each CPU. */
#define LIMIT_QUEUES_PER_DEVICE 8

/* max-ring-page-order, as Linux's xen-blkback: 16 pages. */
#define LIMIT_RING_ORDER 4
#define LIMIT_RING_PAGES (1 << LIMIT_RING_ORDER)

/* Persistently mapped grants: a ring of 32 times 11 segments, three times over, as in
 * Linux's xen-blkback (xen_blkif_max_pgrants); and for all queues of a guest together. */
#define LIMIT_PERSISTENT_PER_QUEUE 1056
#define LIMIT_PERSISTENT_PER_GUEST 8448
/* And for all guests: each is a mapping of its own, of which Linux allows a process 65530
 * (vm.max_map_count). Without one left there would be no memory for anybody's data. */
#define LIMIT_PERSISTENT_ALL 32768

/* A persistent grant that was not used for so long is unmapped (as xen-blkback does). */
#define LIMIT_PERSISTENT_UNUSED_MS 60000
/* So many are unmapped in a visit: each is a system call, and a hypercall. */
#define LIMIT_PERSISTENT_UNMAPPED 32
/* A full cache gives up its oldest grant only if that rested at least so long; else the
 * new page is copied. A guest that never repeats a grant thus gets no mappings for it. */
#define LIMIT_PERSISTENT_CHURN_MS 1000

/* Memory for data on its way to or from the disk: what each queue may always have; what
 * all queues of a guest may have together beyond that, and one of them of it; in such
 * pieces, which a queue keeps until the next tick. One request may always be on its way,
 * however large. */
#define LIMIT_BYTES_FLOOR     (128u << 10)
#define LIMIT_BYTES_PER_GUEST (128u << 20)
#define LIMIT_BYTES_PER_QUEUE (32u << 20)
#define LIMIT_BYTES_PIECE     (1u << 20)

/* Data moved in one visit to a queue, before others get their turn: a visit of 64
 * requests may be 64 MiB, and take longer than its neighbours would like. */
#define LIMIT_BYTES_PER_VISIT (2u << 20)

/* A request of more segments is copied from or to the guest in its queue's visits, so
 * many at a time, after which the visit may be over, and is after so many. Done at once
 * it would hold up all that has ended at the same time. */
#define LIMIT_SEGMENTS_AT_ONCE	 4
#define LIMIT_SEGMENTS_PIECE	 16
#define LIMIT_SEGMENTS_PER_VISIT 64

/* And cycles of a worker, as time: where several queues want a visit, each is brought so
 * much in turn, and a visit to a block queue ends when it is used up. It is about 64
 * requests of 4 KiB, or 512 KiB that are copied. */
#define LIMIT_QUANTUM_US 50

/* A queue that waits for its disk's limit looks again after so long, so that detaching it
 * need not wait longer. */
#define LIMIT_THROTTLE_WAIT_NS 50000000

/* Requests of a queue that follow one another on its disk are one I/O, up to so much: the
 * first of them has to wait for the last. */
#define LIMIT_JOINED_BYTES (256u << 10)

/* When so many such I/Os in a row had to be done again one by one, none is joined for so
 * many I/Os; and then one such is enough, until one has gone well. */
#define LIMIT_JOINS_REFUSED 4
#define LIMIT_IOS_APART	    64

/* Of a discard, done at a time: it may name the whole disk. */
#define LIMIT_DISCARD_BYTES (64u << 20)

/* Events without work, one after the other, until their port is unmasked only once a
 * second; a request that comes with an event ends it. */
#define LIMIT_SPURIOUS_RUN 64

/* Events taken at once, whose cost their queues share. */
#define LIMIT_EVENTS_PER_READ 64

/* How long a request waits for room at a disk that may be out of tags, before it is taken
 * to wait for something else. */
#define LIMIT_PARKED_NS 10000000

/* Of those that wait for room at a disk, one more than there is room for is tried after
 * so many: there may be more room, which others have left. */
#define LIMIT_ROOM_PROBE 8

/* Disk I/O that is tried again after EINTR or EAGAIN. */
#define LIMIT_DISK_RETRIES 8

/* Requests taken in one visit to a queue, before others get their turn. */
#define LIMIT_REQUESTS_PER_VISIT 64

/* A grant copy that the hypervisor puts off (GNTST_eagain: the page is paged out). */
#define LIMIT_GRANT_RETRIES 8

/* Pages that a worker has granted to this domain itself, for copies within one visit; and
 * all workers together: half of the 1,024 that Linux' gntalloc has for the whole domain.
 */
#define LIMIT_SCRATCH_PAGES	256
#define LIMIT_SCRATCH_PAGES_ALL 512

/* Frames of a netif queue that are taken from its ring and not yet written to the tap. */
#define LIMIT_TX_FRAMES 128

/* Kernel memory, in bytes, of a queue's frames that are on their way from the tap to
 * where they go. A slow uplink blocks the guest then, instead of losing its frames; the
 * queue of a network card (txqueuelen 1000) has room for so many. */
#define LIMIT_TAP_UNSENT (1 << 20)

/* Frames for the guest that a queue may hold, read from the tap or being read. */
#define LIMIT_RX_FRAMES 32

/* And beyond that, those that all queues of a vif's tap may hold, each its share as its
 * txqueuelen. A frame has 64 KiB at most, so this is 64 MiB of kernel memory for a vif.
 * The kernel drops the rest. It is the kernel's own default: with 128, a vif of one queue
 * lost frames whenever the machine was busy elsewhere for a moment. */
#define LIMIT_TAP_UNREAD 1000

/* Pieces of frames that had to be cut for the guest. */
#define LIMIT_RX_PIECES 64

/* How long a queue for which the guest gives no room keeps frames that other queues read
 * and hashed to it: their own frames shall not wait for memory. */
#define LIMIT_RX_LENT_MS 500

/* Readings of a tap in one visit that fail, until it is left alone for a second. */
#define LIMIT_TAP_ERRORS 8

/* How long a frame waits for the guest to give it room; and after how long without room
 * the vif has no carrier. As Linux's xen-netback (rx_drain_timeout_msecs,
 * rx_stall_timeout_msecs). */
#define LIMIT_RX_AGE_MS	  10000
#define LIMIT_RX_STALL_MS 60000

/* A frontend without feature-rx-notify is looked at so often while a frame waits, as by
 * Linux's xen-netback. */
#define LIMIT_RX_POLL_NS 30000000

/* Messages of a control ring answered in a visit. */
#define LIMIT_CONTROL_PER_VISIT 16

/* Devices of one guest, as many as vbd numbers a toolstack would give away. */
#define LIMIT_DEVICES_PER_GUEST 256

/* Guests whose totals stand in the store, a key each; the others' are added up. xenstored
 * lets a domain have 1000 keys (quota-nb-entry), most of which its devices need. */
#define LIMIT_TOTALS 64

/* Log lines that a guest may cause in a second (XSA-43). */
#define LIMIT_LOG_LINES 10

/* Xenstore events taken before other things get their turn. */
#define LIMIT_WATCH_EVENTS 256

/* Changes that a guest makes to keys that are watched, in a second; beyond that none of
 * its directories is watched until the second is over, and all are looked at then. A
 * guest that connects makes three for each device. */
#define LIMIT_STORE_EVENTS 1024

/* Answers of storage helpers taken before other things get their turn. */
#define LIMIT_HELPER_EVENTS 256

/* Longest value of a xenstore key that is read. xenstored refuses longer ones. */
#define LIMIT_XENSTORE_VALUE 2048

#endif
