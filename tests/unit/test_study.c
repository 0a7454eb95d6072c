/* SPDX-License-Identifier: MIT */
/*
 * The estimates of a study in exact numbers, through tables and reports as they are. A
 * cycle is a microsecond.
 */
#include <math.h>

#include "check.h"
#include "study.h"
#include "table.h"

#define KHZ	    1000
#define INTERVAL_NS 100000000

/* Guests as the study meets them: in each interval the dearest first. */
enum { SECOND, FIRST, THIRD, IDLER, HEIR };

static char path[256];
static struct table *table;
static struct meter meter;
static struct worker_figures figures;
static struct study study;
static struct report *before;

/* Equal to the nanosecond, or to a millionth of a percent. */
#define CHECK_NEAR(is, should)                                                           \
	do {                                                                             \
		double is_ = (is), should_ = (should);                                   \
		if (!(fabs(is_ - should_) < 1e-6)) {                                     \
			fprintf(stderr, "%s:%d: %s is %.9f, not %.9f\n", __FILE__,       \
				__LINE__, #is, is_, should_);                            \
			exit(1);                                                         \
		}                                                                        \
	} while (0)

static struct row *claim(uint32_t domid, const char *name)
{
	struct row_key key = { .domid = domid, .devid = 51712, .device = "vbd" };
	struct row *row;

	snprintf(key.name, sizeof(key.name), "%s", name);
	row = table_claim_row(table, &key, 0);
	CHECK(row);
	return row;
}

/* One request: what it cost, exactly and not, and what it moved. */
static void work(struct row *row, uint64_t exact, uint64_t apportioned, uint32_t pages,
		 uint64_t bytes)
{
	struct settlement s = { .kind = REQUEST_WRITE, .pages = pages, .bytes = bytes };
	struct account bill = { .exact = { exact }, .apportioned = { apportioned } };

	meter.settled += row_settle_request(row, &s, &bill);
}

static void publish(void)
{
	meter.last = meter.start + meter.settled + meter.overhead + meter.unattributed +
		     meter.idle;
	worker_row_publish(table_worker(table, 0), &meter, &figures);
}

static struct report *take(void)
{
	struct report *r = NULL;

	publish();
	CHECK_EQ(report_take(path, &r), 0);
	return r;
}

static void end_interval(void)
{
	struct report *now = take();

	now->time_ns = before->time_ns + INTERVAL_NS;
	CHECK_EQ(study_add(&study, before, now), 0);
	report_free(before);
	before = now;
}

static void test_first_interval(void)
{
	const struct study_interval *in;

	CHECK_EQ(study.intervals, 1);
	CHECK_EQ(study.guests, 2);
	in = &study.interval[0];
	CHECK_NEAR(in->begin, 0);
	CHECK_NEAR(in->length, 0.1);
	/* Charged 1 + 9 ms, 2 ms of overhead and unknown; 5 ms not run are no CPU. */
	CHECK_NEAR(in->cpu, 0.012);
	CHECK_NEAR(in->cell[FIRST].charged, 0.001);
	CHECK_NEAR(in->cell[FIRST].exact, 0.0008);
	CHECK_NEAR(in->cell[SECOND].charged, 0.009);
	CHECK_EQ(in->cell[FIRST].proxy[METHOD_PAGES], 10);
	CHECK_EQ(in->cell[SECOND].proxy[METHOD_REQUESTS], 3);
	CHECK_EQ(in->cell[FIRST].proxy[METHOD_BYTES], 3000);
	CHECK_NEAR(in->cell[FIRST].estimate[METHOD_PAGES], 0.012);
	CHECK_NEAR(in->cell[SECOND].estimate[METHOD_PAGES], 0);
	CHECK_NEAR(in->cell[FIRST].estimate[METHOD_REQUESTS], 0.003);
	CHECK_NEAR(in->cell[SECOND].estimate[METHOD_REQUESTS], 0.009);
	CHECK_NEAR(in->cell[FIRST].estimate[METHOD_BYTES], 0.009);
	CHECK_NEAR(in->cell[SECOND].estimate[METHOD_BYTES], 0.003);
	CHECK_NEAR(in->unsplit[METHOD_PAGES], 0);
}

static void test_idle_interval(void)
{
	const struct study_interval *in = &study.interval[1];

	CHECK_NEAR(in->begin, 0.1);
	CHECK_NEAR(in->cpu, 0.0005);
	CHECK_NEAR(in->unsplit[METHOD_PAGES], 0.0005);
	CHECK_NEAR(in->unsplit[METHOD_BYTES], 0.0005);
	CHECK_NEAR(in->cell[FIRST].estimate[METHOD_PAGES], 0);
}

static void expect_error(size_t guest, enum study_method method, double seconds,
			 double percent, double mean, double worst, double worst_at)
{
	struct study_error e;

	study_error_of(&study, guest, method, &e);
	CHECK_NEAR(e.seconds, seconds);
	CHECK_NEAR(e.percent, percent);
	CHECK_NEAR(e.mean_percent, mean);
	CHECK_NEAR(e.worst_percent, worst);
	CHECK_NEAR(e.worst_at, worst_at);
}

/* Third interval: 4 ms for the first guest, 6 for a new one, and twice the pages. */
static void test_errors(void)
{
	struct study_error e;

	CHECK_EQ(study.guests, 3);
	CHECK_EQ(study.interval[0].cells, 2);
	CHECK_EQ(study.interval[2].cells, 3);
	/* First guest, charged 5 ms; by pages 12 + 10/3 ms. */
	expect_error(FIRST, METHOD_PAGES, 0.0103333333, 206.666667, 233.333333, 1100, 0);
	/* By requests 3 + 5 ms. */
	expect_error(FIRST, METHOD_REQUESTS, 0.003, 60, 60, 200, 0);
	/* Second guest, charged 9 ms in the first interval only. */
	expect_error(SECOND, METHOD_PAGES, -0.009, -100, 100, -100, 0);
	expect_error(SECOND, METHOD_REQUESTS, 0, 0, 0, 0, 0);
	/* The new guest: by pages 20/3 ms. */
	expect_error(THIRD, METHOD_PAGES, 0.000666667, 11.1111111, 11.1111111, 11.1111111,
		     0.2);
	/* A worst interval is one in which the guest was busy. */
	work(claim(9, "idler"), 900, 0, 1, 1);
	end_interval();
	study_error_of(&study, IDLER, METHOD_PAGES, &e);
	CHECK_NEAR(e.percent, 0);
	CHECK(isnan(e.worst_percent));
}

static void test_sums(void)
{
	struct study_cell all, some;
	size_t *order = NULL;

	study_sum_all(&study, &all);
	CHECK_NEAR(all.charged, 0.0209);
	CHECK_NEAR(all.exact, 0.0207);
	CHECK_NEAR(study_cpu(&study), 0.0234);
	CHECK_NEAR(study_length(&study), 0.4);
	CHECK_NEAR(study_misplaced(&study, METHOD_PAGES), 100 * 0.02 / 0.0209);
	study_sum(&study, FIRST, 1, 2, &some);
	CHECK_NEAR(some.charged, 0.004);
	study_sum(&study, THIRD, 0, 2, &some);
	CHECK_NEAR(some.charged, 0);
	CHECK_EQ(study_order(&study, &order), 0);
	CHECK_EQ(order[0], SECOND);
	CHECK_EQ(order[1], THIRD);
	CHECK_EQ(order[2], FIRST);
	CHECK_EQ(order[3], IDLER);
	free(order);
}

/* What other threads did for a guest is charged to it; what they did for none is CPU. */
static void test_offload(struct row *heir)
{
	const struct study_interval *in;

	work(heir, 1000, 0, 1, 1);
	row_settle_offload(heir, &(struct offload){ .cycles = { 7000 } });
	figures.offload = 7500;
	figures.offload_charged = 7000;
	end_interval();
	in = &study.interval[study.intervals - 1];
	CHECK_NEAR(in->cell[HEIR].charged, 0.008);
	CHECK_NEAR(in->cell[HEIR].exact, 0.001);
	CHECK_NEAR(in->cpu, 0.0085);
	CHECK_NEAR(in->cell[HEIR].estimate[METHOD_PAGES], 0.0085);
}

/* The row of a guest that is gone is taken by another: nobody gets what was not his. */
static struct row *test_recycled(struct row *gone)
{
	struct study_cell sum;
	struct row *heir;

	table_retire_row(gone);
	heir = claim(20, "heir");
	work(heir, 5000, 0, 1, 1);
	end_interval();
	CHECK_EQ(study.guests, 5);
	study_sum(&study, HEIR, 0, study.intervals, &sum);
	CHECK_NEAR(sum.charged, 0.005);
	study_sum(&study, FIRST, 0, study.intervals, &sum);
	CHECK_NEAR(sum.charged, 0.005);
	return heir;
}

static void count_domain(enum domain_counter by, uint64_t time_ns, uint64_t running_ns)
{
	static const struct domain_line none[DOMAIN_LINES];
	struct domain head = { .time_ns = time_ns,
			       .running_ns = running_ns,
			       .counted_by = by };

	table_write_domain(table, &head, none);
}

/* What the hypervisor counted in a second, over intervals of which it does not tell. */
static void test_domain(struct row *row)
{
	study_free(&study);
	study = (struct study){ 0 };
	report_free(before);
	count_domain(DOMAIN_BY_HYPERVISOR, 1000, 5000000000);
	before = take();
	work(row, 1000, 0, 1, 1);
	end_interval();
	CHECK_NEAR(study.interval[0].cpu, 0.001);
	work(row, 3000, 0, 1, 1);
	count_domain(DOMAIN_BY_HYPERVISOR, 2000, 5010000000);
	end_interval();
	CHECK(study.domain.known);
	CHECK_NEAR(study.interval[0].cpu, 0.001 + 0.003);
	CHECK_NEAR(study.interval[1].cpu, 0.003 + 0.003);
	CHECK_NEAR(study_cpu(&study), 0.010);
	CHECK_NEAR(study.interval[0].cell[0].estimate[METHOD_PAGES], 0.004);
	CHECK_NEAR(study.interval[1].cell[0].estimate[METHOD_BYTES], 0.006);
	/* Not counted yet; and less than the daemon's, by two clocks. */
	work(row, 2000, 0, 1, 1);
	end_interval();
	CHECK_NEAR(study.interval[2].cpu, 0.002);
	count_domain(DOMAIN_BY_HYPERVISOR, 3000, 5011000000);
	end_interval();
	CHECK_NEAR(study.interval[2].cpu, 0.002);
	CHECK_NEAR(study.interval[3].cpu, 0);
	/* A kernel's count has other work in it than a driver domain's. */
	count_domain(DOMAIN_BY_KERNEL, 4000, 9000000000);
	end_interval();
	CHECK_NEAR(study_cpu(&study), 0.012);
}

int main(void)
{
	struct clock_info clock = { CLOCK_TSC_INVARIANT, KHZ, 20 };
	const char *dir = check_directory();
	struct row *first, *second, *third;
	int i;

	snprintf(path, sizeof(path), "%s/table", dir);
	CHECK_EQ(table_create(path, &clock, 1, 5, &table), 0);
	meter_start(&meter, 77, 0);
	first = claim(1, "first");
	second = claim(2, "second");
	/* What was before the study does not matter. */
	work(first, 123456, 0, 1000, 1000);
	before = take();

	work(first, 800, 200, 10, 3000);
	for (i = 0; i < 3; i++)
		work(second, 3000, 0, 0, i ? 0 : 1000);
	meter.overhead += 1500;
	meter.unattributed += 5500;
	meter.not_running += 5000;
	meter.idle += 80000;
	end_interval();
	test_first_interval();

	meter.overhead += 500;
	end_interval();
	test_idle_interval();

	third = claim(3, "third");
	work(first, 4000, 0, 5, 1);
	work(third, 6000, 0, 10, 1);
	end_interval();
	test_errors();
	test_sums();
	test_offload(test_recycled(first));
	test_domain(second);

	report_free(before);
	study_free(&study);
	table_destroy(table);
	check_remove_directory(dir);
	return 0;
}
