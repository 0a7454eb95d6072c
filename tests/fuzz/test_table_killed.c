/* SPDX-License-Identifier: MIT */
/*
 * The daemon is killed at each store that it makes into its table. The next life goes on
 * in it: each update is there as a whole or not at all, no row and no charge is lost, and
 * the books balance.
 *
 * What the file holds after each store is kept (stores.h), and is opened afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "histogram.h"
#include "row_lock.h"
#include "stores.h"
#include "table.h"
#include "xenmeter.h"

#define ROWS	4u
#define WORKERS 2u
#define STATES	4096u
#define PAGE	4096u

static const struct clock_info clock_info = { CLOCK_TSC_INVARIANT, 2500000, 25 };
static const struct account bill = {
	.exact = { 10, 20, 30, 40, 50, 60 },
	.apportioned = { 1, 2, 3, 4, 5, 6 },
};
#define BILL 231

static char path[64], left[64];
static struct table *table;
static struct row *row;
static struct worker_row *worker;
static struct meter meter = { .last = 1000 };
static size_t size;
static uint8_t *states;
static unsigned int kept, undone, whole;

static void keep_table(void)
{
	if (kept == STATES)
		abort();
	memcpy(states + kept++ * size, table_header(table), size);
}

static struct row *claim(uint32_t domid)
{
	struct row_key key = { .domid = domid, .devid = 51712, .device = "vbd" };

	memset(key.uuid, (int)domid, sizeof(key.uuid));
	snprintf(key.name, sizeof(key.name), "guest-%u", domid);
	return table_claim_row(table, &key, 0);
}

/* ---- what is done to it ---- */

static void settle_request(void)
{
	struct settlement s = { .kind = REQUEST_WRITE,
				.failed = true,
				.bytes = 4096,
				.pages = 3,
				.pages_mapped = 1,
				.pages_copied = 2,
				.latency_ns = 77777 };

	meter.settled += row_settle_request(row, &s, &bill);
}

static void settle_refused(void)
{
	struct settlement s = { .kind = REQUEST_REFUSED, .failed = true };

	meter.settled += row_settle_request(row, &s, &bill);
}

static void settle_frames(enum frame_direction direction)
{
	static struct frames f = { .count = 5,
				   .refused = 2,
				   .failed = 1,
				   .dropped = { 1, 0, 0, 1, 0, 0, 2, 1 },
				   .gso = 1,
				   .control = 1,
				   .pages = 6,
				   .bytes = 9000,
				   .timed = 4,
				   .latency_ns = { 100, 2000, 2000, 100 } };

	meter.settled += row_settle_frames(row, direction, &f, &bill);
}

static void settle_tx(void)
{
	settle_frames(FRAMES_FROM_GUEST);
}

static void settle_rx(void)
{
	settle_frames(FRAMES_TO_GUEST);
}

static void settle_visit(void)
{
	struct visit v = { 5, 4, 3, 2, 1, 6, 7, 8 };

	meter.settled += row_settle_visit(row, &v, &bill);
}

static void settle_turn(void)
{
	meter.settled += row_settle_turn(row, 77);
}

static void settle_offload(void)
{
	struct offload o = { .cycles = { 1, 2, 3, 4, 5, 6 }, .exact = true };

	row_settle_offload(row, &o);
}

static void settle_events(void)
{
	row_settle_kernel(row, &(struct kernel_cycles){ .event = 11,
							.idle_exit = 22,
							.exact = { 3, 4, 5 },
							.apportioned = { 6, 7, 8 } });
}

static void publish(void)
{
	struct worker_figures f = { .cpu_ns = 5, .turns = 3 };

	meter.last += meter.settled;
	meter.idle = 300;
	worker_row_publish(worker, &meter, &f);
}

static void rename_guest(void)
{
	table_rename_row(row, "another name, which is longer than it was");
}

static void retire(void)
{
	table_retire_row(row);
}

static void revive(void)
{
	MUST(table_revive_row(row, row->key.generation, 1));
}

static void take_free(void)
{
	MUST(claim(8));
}

/* All rows but one are live then, and that one has charges. */
static void recycle(void)
{
	MUST(claim(9) == row);
}

/* ---- what comes of it ---- */

/* A state, as it was for the next life. */
struct seen {
	struct xenmeter_row row[ROWS];
	struct xenmeter_worker worker[WORKERS + 1];
	uint64_t sum[XENMETER_SLOTS];
};

static void look(const char *at, struct seen *s)
{
	struct xenmeter *x;
	size_t i, k;

	*s = (struct seen){ 0 };
	MUST(!xenmeter_open(at, &x));
	for (i = 0; i < ROWS; i++) {
		int err = xenmeter_read_row(x, i, &s->row[i]);

		MUST(!err || err == -ENOENT);
		for (k = 0; k < XENMETER_SLOTS && !err; k++)
			s->sum[k] += s->row[i].counter[k];
	}
	for (i = 0; i < xenmeter_worker_count(x); i++)
		MUST(!xenmeter_read_worker(x, i, &s->worker[i]));
	xenmeter_close(x);
}

/* The life after the one that left this state. */
static unsigned int go_on(const uint8_t *state, struct seen *ret)
{
	struct clock_info clock = clock_info;
	struct table_past past;
	struct table *next;
	int fd = open(left, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	MUST(fd >= 0 && write(fd, state, size) == (ssize_t)size && !close(fd));
	MUST(!table_open(left, &clock, WORKERS, ROWS, &next, &past));
	MUST(past.origin == TABLE_GOES_ON && past.undone <= 1);
	look(left, ret);
	table_destroy(next);
	return past.undone;
}

static uint64_t stages(const uint64_t *n)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < ROW_STAGES; i++)
		sum += n[row_stage_slot(ROW_exact_parse, i)] +
		       n[row_stage_slot(ROW_apportioned_parse, i)];
	return sum;
}

static void check_books(const struct seen *s)
{
	const uint64_t *n = s->worker[WORKERS].counter;

	MUST(s->worker[WORKERS].kind == XENMETER_PAST);
	MUST(n[WORKER_charged] == stages(s->sum) && !n[WORKER_open]);
	MUST(n[WORKER_charged] + n[WORKER_idle] + n[WORKER_overhead] +
		     n[WORKER_unattributed] ==
	     n[WORKER_elapsed]);
	MUST(n[WORKER_offload_charged] == s->sum[ROW_offload_cycles]);
	MUST(n[WORKER_offload_charged] + n[WORKER_offload_unattributed] ==
	     n[WORKER_offload]);
	MUST(n[WORKER_lost] <= n[WORKER_unattributed]);
}

/* Beside bills that are counted as lost, whose number is that of the update's requests.
 */
static bool same_sums(const struct seen *a, const struct seen *b)
{
	unsigned int i;

	for (i = 0; i < XENMETER_SLOTS; i++)
		if (i != ROW_bills_lost && a->sum[i] != b->sum[i])
			return false;
	return true;
}

/* Between two guests, nobody has the row. */
static bool same_names(const struct seen *now, const struct seen *other)
{
	return !now->row[1].name[0] || !strcmp(now->row[1].name, other->row[1].name);
}

/* What there was before @act, or after, and nothing else. */
static void check_update(const char *what, void (*act)(void))
{
	void *const at[] = { table_header(table), table_header(table) };
	const size_t bytes[] = { size, size };
	struct seen before, after, now;
	unsigned int i, late = 0, torn = 0;

	kept = 0;
	keep_table();
	stores_watch(at, bytes);
	act();
	stores_ignore();
	MUST(kept > 1);
	MUST(!go_on(states, &before));
	MUST(!go_on(states + (kept - 1) * size, &after));
	for (i = 0; i < kept; i++) {
		unsigned int back = go_on(states + i * size, &now);
		bool is_before = same_sums(&now, &before) && same_names(&now, &before);
		bool is_after = same_sums(&now, &after) && same_names(&now, &after);

		MUST(is_before || is_after);
		/* What was done once stays done. */
		MUST(!late || is_after);
		late += is_after && !is_before;
		MUST(now.sum[ROW_bills_lost] <= after.sum[ROW_bills_lost] +
							after.sum[ROW_requests] -
							before.sum[ROW_requests]);
		check_books(&now);
		torn += back;
	}
	printf("%s: %u stores, %u of them within the update\n", what, kept - 1, torn);
	undone += torn;
	whole += late;
}

static void begin(void)
{
	snprintf(path, sizeof(path), "/dev/shm/table-killed-%d", getpid());
	snprintf(left, sizeof(left), "/dev/shm/table-left-%d", getpid());
	MUST(!table_create(path, &clock_info, WORKERS, ROWS, &table));
	size = ((uint8_t *)table_worker(table, 0) - (uint8_t *)table_header(table)) +
	       table_header(table)->rows_offset - table_header(table)->workers_offset +
	       ROWS * sizeof(struct row);
	size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
	states = mmap(NULL, STATES * size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(states != MAP_FAILED);
	worker = table_worker(table, 0);
	settle_use_log(&worker->log);
	stores_find(keep_table);
	row = claim(7);
	MUST(row);
}

int main(void)
{
	begin();
	check_update("request", settle_request);
	check_update("refused request", settle_refused);
	check_update("frames from the guest", settle_tx);
	check_update("frames to the guest", settle_rx);
	check_update("visit", settle_visit);
	check_update("turn", settle_turn);
	check_update("offload", settle_offload);
	check_update("events", settle_events);
	check_update("books", publish);
	check_update("books again", publish);
	check_update("name", rename_guest);
	check_update("row retired", retire);
	check_update("row revived", revive);
	check_update("row taken", take_free);
	MUST(claim(10) && !claim(11));
	retire();
	check_update("row recycled", recycle);
	MUST(undone && whole);
	table_destroy(table);
	unlink(path);
	unlink(left);
	return 0;
}
