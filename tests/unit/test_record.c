/* SPDX-License-Identifier: MIT */
/*
 * Records over a random life: queues work, come and go, the table needs their places, the
 * recorder is killed at any moment and started again, the daemon dies and goes on in its
 * table, or begins a new one, and driver domains publish totals of guests that go and
 *come again. The sum of all records is what was charged, to the cycle, and no record
 *stands twice.
 *
 *	test_record [SEED]
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "clock.h"
#include "record.h"
#include "record_drivers.h"
#include "table.h"

#define QUEUES 12
#define ROWS   10
#define KILLS  30
#define STEPS  400

static char directory[] = "/tmp/xenmeter-record.XXXXXX";
static char path[64], records[64];
static struct table *table;
static struct row *queue_row[QUEUES];
static uint64_t charged;

static void make_table(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 1000, 20 };

	table_destroy(table);
	memset(queue_row, 0, sizeof(queue_row));
	CHECK_EQ(table_create(path, &clock, 1, ROWS, &table), 0);
}

static void step(void)
{
	unsigned int q = random() % QUEUES;
	struct row_key key = {
		.domid = 1 + q / 3, .devid = 51712, .queue = q % 3, .device = "vbd"
	};
	struct settlement s = { .kind = REQUEST_WRITE, .bytes = 4096 };
	struct account bill = { .exact = { random() % 1000 },
				.apportioned = { random() % 10 } };

	/* One guest has a uuid, one a name, the others neither. */
	memset(key.uuid, q / 3 == 0, sizeof(key.uuid));
	if (q / 3 == 1)
		strcpy(key.name, "b\xc3\xa9");
	if (!queue_row[q]) {
		queue_row[q] = table_claim_row(table, &key, 0);
	} else if (random() % 5) {
		charged += row_settle_request(queue_row[q], &s, &bill);
	} else {
		table_retire_row(queue_row[q]);
		queue_row[q] = NULL;
	}
}

/* The daemon dies, with queues open or not, and the next one goes on. */
static void next_life(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, 1000, 20 };
	struct table_past past;
	struct table *old = table;

	CHECK_EQ(table_open(path, &clock, 1, ROWS, &table, &past), 0);
	CHECK_EQ(past.origin, TABLE_GOES_ON);
	table_destroy(old);
	memset(queue_row, 0, sizeof(queue_row));
}

static void steps(unsigned int count)
{
	while (count--)
		step();
}

static struct recorder new_recorder(void)
{
	return (struct recorder){ .table = path, .directory = records, .lock = -1 };
}

/* ---- what was recorded ---- */

/* By subject, of guests with a uuid that is a repeated byte: that byte. */
static uint64_t billed_to[256];

static uint64_t sum_line(const char *line, json_t *ids)
{
	json_t *o = json_loads(line, 0, NULL);
	const char *subject, *id;
	json_int_t exact = 0, apportioned = 0, offload = 0;

	CHECK(o);
	CHECK_EQ(json_unpack(o, "{ss ss}", "subject", &subject, "id", &id), 0);
	CHECK(!json_object_get(ids, id));
	json_object_set_new(ids, id, json_true());
	if (strcmp(subject, "xenmeterd"))
		CHECK_EQ(json_unpack(o, "{s{s{sI sI sI}}}", "data", "values", "exact",
				     &exact, "apportioned", &apportioned, "offload",
				     &offload),
			 0);
	if (strlen(subject) == 36)
		billed_to[strtoul(subject + 34, NULL, 16)] += exact;
	json_decref(o);
	return exact + apportioned + offload;
}

static uint64_t sum_records(void)
{
	DIR *dir = opendir(records);
	json_t *ids = json_object();
	struct dirent *entry;
	uint64_t sum = 0;

	memset(billed_to, 0, sizeof(billed_to));

	CHECK(dir);
	while ((entry = readdir(dir))) {
		char file[400], *line = NULL;
		size_t size = 0;
		FILE *f;

		if (strncmp(entry->d_name, "usage-", 6))
			continue;
		snprintf(file, sizeof(file), "%s/%s", records, entry->d_name);
		f = fopen(file, "r");
		CHECK(f);
		while (getline(&line, &size, f) > 0)
			sum += sum_line(line, ids);
		free(line);
		fclose(f);
	}
	closedir(dir);
	json_decref(ids);
	return sum;
}

static void remove_records(void)
{
	DIR *dir = opendir(records);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char file[400];

		snprintf(file, sizeof(file), "%s/%s", records, entry->d_name);
		unlink(file);
	}
	if (dir)
		closedir(dir);
	rmdir(records);
}

/* ---- lives ---- */

static void record_for_ever(void)
{
	struct recorder r = new_recorder();

	if (recorder_open(&r))
		_exit(1);
	for (;;) {
		if (recorder_read(&r))
			_exit(2);
		if (random() % 2 && recorder_write(&r))
			_exit(3);
	}
}

static void record_once(void)
{
	struct recorder r = new_recorder();

	CHECK_EQ(recorder_open(&r), 0);
	CHECK_EQ(recorder_read(&r), 0);
	CHECK_EQ(recorder_write(&r), 0);
	recorder_close(&r);
}

/* Killed at any moment, again and again. */
static void test_kills(void)
{
	int i, status;

	charged = 0;
	make_table();
	record_once(); /* all that comes is recorded */
	for (i = 0; i < KILLS; i++) {
		pid_t pid = fork();

		if (!pid) {
			srandom(i);
			record_for_ever();
		}
		steps(random() % 100);
		usleep(random() % 30000);
		if (random() % 2)
			next_life();
		steps(random() % 100);
		kill(pid, SIGKILL);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status));
	}
	record_once();
	CHECK_EQ(sum_records(), charged);
}

/* The daemon begins new tables while it is recorded. */
static void test_histories(void)
{
	struct recorder r = new_recorder();
	int i;

	remove_records();
	make_table();
	steps(100);
	charged = 0;
	CHECK_EQ(recorder_open(&r), 0);
	CHECK_EQ(recorder_read(&r), 0); /* what was before is in no record */
	for (i = 0; i < STEPS; i++) {
		steps(random() % 20);
		/* Seen before there is a third one: of that in between nothing is left.
		 */
		if (random() % 50 == 0) {
			make_table();
			steps(random() % 20);
			CHECK_EQ(recorder_read(&r), 0);
		}
		if (random() % 3 == 0)
			CHECK_EQ(recorder_read(&r), 0);
		if (random() % 10 == 0)
			CHECK_EQ(recorder_write(&r), 0);
	}
	CHECK_EQ(recorder_read(&r), 0);
	CHECK_EQ(recorder_write(&r), 0);
	recorder_close(&r);
	CHECK_EQ(sum_records(), charged);
}

/* ---- driver domains ---- */

#define FAR_GUESTS 6

/* A guest's total, and whether it stands in the others' sum now. */
static struct far_guest {
	uint32_t domid;
	bool served;
	uint64_t cycles;
	uint64_t ever; /* with those that had its domid, and its uuid, before */
} far_guest[FAR_GUESTS];
static uint64_t far_others;

static void no_uuid(struct xs_handle *xs, uint32_t domid, uint8_t *ret)
{
	(void)xs;
	/* dom0 knows some of them. */
	if (domid % 2)
		memset(ret, (int)domid, 16);
}

static void far_step(void)
{
	struct far_guest *g = &far_guest[random() % FAR_GUESTS];

	switch (random() % 8) {
	case 0: /* all its devices go, or the first comes again */
		g->served = !g->served;
		if (g->served)
			far_others -= g->cycles;
		else
			far_others += g->cycles;
		break;
	case 1: /* it is destroyed: another one gets its domid later */
		if (g->served)
			far_others += g->cycles;
		*g = (struct far_guest){ .domid = g->domid, .ever = g->ever };
		break;
	default:
		if (g->served) {
			unsigned int cycles = random() % 1000;

			g->cycles += cycles;
			g->ever += cycles;
			charged += cycles;
		}
	}
}

/* As they stand in the store; the sum of the others may be behind. */
static void far_read(struct recorder *r, uint64_t others)
{
	struct driver_guest guests[FAR_GUESTS + 1];
	struct driver d = { .domid = 9,
			    .books = { [BOOKS_START] = 77, [BOOKS_KHZ] = 1000 },
			    .guest = guests };
	unsigned int i;

	for (i = 0; i < FAR_GUESTS; i++) {
		if (!far_guest[i].served)
			continue;
		guests[d.count] = (struct driver_guest){ .domid = far_guest[i].domid };
		guests[d.count++].word[GUEST_EXACT] = far_guest[i].cycles;
	}
	guests[d.count] = (struct driver_guest){ .others = true };
	guests[d.count++].word[GUEST_EXACT] = others;
	CHECK_EQ(driver_recorder_take(r, &d, no_uuid, NULL), 0);
	CHECK_EQ(recorder_keep(r), 0);
}

static void test_drivers(void)
{
	struct recorder r = { .driver = "dd", .directory = records, .lock = -1 };
	int i;

	remove_records();
	charged = 0;
	for (i = 0; i < FAR_GUESTS; i++)
		far_guest[i] = (struct far_guest){ .domid = 1 + i, .served = i % 2 };
	CHECK_EQ(recorder_open(&r), 0);
	far_read(&r, far_others);
	for (i = 0; i < STEPS / 3; i++) {
		int n = random() % 20;

		while (n--)
			far_step();
		far_read(&r, far_others);
		if (random() % 10 == 0) {
			CHECK_EQ(recorder_write(&r), 0);
			CHECK_EQ(sum_records(), charged);
		}
		/* It is killed, and goes on. */
		if (random() % 10 == 0) {
			recorder_close(&r);
			r = (struct recorder){ .driver = "dd",
					       .directory = records,
					       .lock = -1 };
			CHECK_EQ(recorder_open(&r), 0);
		}
	}
	CHECK_EQ(recorder_write(&r), 0);
	recorder_close(&r);
	CHECK_EQ(sum_records(), charged);
	/* No guest pays what was billed as nameless once more. */
	for (i = 0; i < FAR_GUESTS; i++)
		CHECK(billed_to[far_guest[i].domid] <= far_guest[i].ever);
	CHECK(billed_to[1] > far_guest[0].ever / 2);
}

static void test_one_recorder(void)
{
	struct recorder one = new_recorder(), other = new_recorder();

	CHECK_EQ(recorder_open(&one), 0);
	CHECK_EQ(recorder_open(&other), -EAGAIN);
	recorder_close(&other);
	recorder_close(&one);
}

int main(int argc, char **argv)
{
	unsigned int seed = 0;

	if (argc > 1)
		seed = strtoul(argv[1], NULL, 0);
	else
		CHECK_EQ(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	printf("seed %u\n", seed);
	fflush(stdout);
	srandom(seed);
	CHECK(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/table", directory);
	snprintf(records, sizeof(records), "%s/records", directory);
	test_kills();
	test_histories();
	test_drivers();
	test_one_recorder();
	remove_records();
	table_destroy(table);
	unlink(path);
	rmdir(directory);
	return 0;
}
