/* SPDX-License-Identifier: MIT */
/*
 * Journals that are damaged or another's: good ones of a disk and of an interface are
 * made, bytes of them changed or cut off, and taken up as by a daemon that starts. Each
 * is refused, or what is made of it is within its limits: rings are written within their
 * pages, frames are steered to queues that there are.
 */
#include <fcntl.h>
#include <unistd.h>

#include "blk_queue.h"
#include "fuzz.h"
#include "net_queue.h"
#include "offload.h"
#include "steer.h"

#define MOST   (1u << 17) /* bytes of a journal */
#define QUEUES 3

struct sample {
	uint8_t bytes[MOST];
	size_t size;
};

static struct sample disk, nic;
static char path[64];

static void keep_sample(struct sample *s, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	MUST(fd >= 0);
	got = read(fd, s->bytes, sizeof(s->bytes));
	MUST(got > 0 && (size_t)got < sizeof(s->bytes));
	s->size = got;
	close(fd);
	unlink(name);
}

static void make_disk(const char *prefix)
{
	struct journal_key key = { .nonce = 1, .domid = 1, .queues = 1, .kind = "vbd" };
	struct blk_queue *q = blk_queue_new();

	MUST(q);
	q->config = (struct blk_queue_config){
		.ring_pages = 2,
		.abi = BLKIF_ABI_X86_64,
		.limits = { .sectors = 100, .sector_size = 512 },
	};
	MUST(!blk_queue_make_journal(q, prefix, &key));
	blk_queue_free(q);
	keep_sample(&disk, path);
}

static void make_nic(const char *prefix)
{
	struct journal_key key = {
		.nonce = 1, .domid = 1, .queues = QUEUES, .kind = "vbd"
	}; /* the same file's name */
	struct net_vif vif = { .has_control = true, .queues = QUEUES };
	struct net_queue *q = net_queue_new();

	MUST(q);
	q->config.vif = &vif;
	steer_init(&vif.steer, QUEUES);
	multicast_init(&vif.multicast);
	MUST(!net_queue_make_journal(q, prefix, &key));
	net_queue_free(q);
	keep_sample(&nic, path);
}

static void make_samples(void)
{
	char prefix[32];

	if (disk.size)
		return;
	snprintf(prefix, sizeof(prefix), "/dev/shm/fuzz-%d", getpid());
	snprintf(path, sizeof(path), "%s.journal.vbd-1-0-0", prefix);
	make_disk(prefix);
	make_nic(prefix);
}

static void write_damaged(struct input *in, const struct sample *s)
{
	static uint8_t bytes[MOST];
	size_t size = s->size;
	int fd;

	memcpy(bytes, s->bytes, size);
	if (input_8(in) > 250)
		size = input_16(in) % size;
	while (in->left > 64) {
		size_t at = input_16(in);

		bytes[at % s->size] = input_8(in);
	}
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	MUST(fd >= 0);
	MUST(write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

/* As its worker does, with pages that say what the input says. */
static void resume_ring(struct input *in, struct journal *j, unsigned int index,
			uint32_t pages, uint32_t slot_size)
{
	struct ring_journal rj = journal_ring(j, index);
	size_t bytes = (size_t)pages * GRANT_PAGE_SIZE;
	uint8_t *ring = aligned_alloc(GRANT_PAGE_SIZE, bytes);
	struct ring r;

	MUST(ring);
	memset(ring, 0, bytes);
	input_bytes(in, ring, 16);
	if (!ring_resume(&r, ring, bytes, slot_size, &rj)) {
		MUST(r.size == rj.slots);
		MUST(r.put_back <= r.size);
	}
	free(ring);
}

static void take_disk(struct input *in, struct journal *j)
{
	struct blk_queue *q = blk_queue_new();

	MUST(q);
	if (blk_queue_take_journal(q, j)) {
		journal_close(j);
	} else {
		MUST(q->config.ring_pages && q->config.ring_pages <= LIMIT_RING_PAGES);
		resume_ring(in, j, 0, q->config.ring_pages,
			    blkif_slot_size(q->config.abi));
	}
	blk_queue_free(q);
}

/* What came with the journal is used, as for a frame. */
static void steer_and_filter(struct input *in, const struct net_vif *vif,
			     unsigned int index)
{
	uint8_t frame[64] = { 0x33, 0x33 };
	struct steer_hash hash;

	input_bytes(in, frame + 2, sizeof(frame) - 2);
	multicast_passes(&vif->multicast, frame, sizeof(frame));
	frame[12] = 8, frame[13] = 0, frame[14] = 0x45;
	MUST(steer_queue(&vif->steer, frame, sizeof(frame), index, &hash) <
	     vif->steer.queues);
	MUST(offload_tun_flags(&vif->can) < UINT32_MAX);
}

static void take_nic(struct input *in, struct journal *j)
{
	struct net_queue *q = net_queue_new();
	struct net_vif vif = { 0 };

	MUST(q);
	q->config.vif = &vif;
	if (net_queue_take_journal(q, j)) {
		journal_close(j);
	} else {
		resume_ring(in, j, 0, 1, NET_TX_SLOT_SIZE);
		resume_ring(in, j, 1, 1, NET_RX_SLOT_SIZE);
		if (vif.has_control)
			resume_ring(in, j, 2, 1, NET_CTRL_SLOT_SIZE);
		if (!q->config.index)
			steer_and_filter(in, &vif, q->config.index);
		MUST(vif.headroom <= NET_MAX_HEADROOM);
		MUST(vif.null_frame <= NET_NULL_MAX);
		MUST(q->config.index < LIMIT_QUEUES_PER_DEVICE);
	}
	net_queue_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	bool of_disk = input_8(&in) & 1;
	struct journal *j;

	make_samples();
	write_damaged(&in, of_disk ? &disk : &nic);
	if (!journal_open(path, &j))
		(of_disk ? take_disk : take_nic)(&in, j);
	unlink(path);
	return 0;
}
