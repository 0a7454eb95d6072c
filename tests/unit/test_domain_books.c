/* SPDX-License-Identifier: MIT */
/*
 * The domain's books where no hypervisor counts: programs that began to measure before
 * the books were opened have not measured more than the kernel has counted, nor for
 * longer than the books say, which once had parts of a time 5,027 times as long as it.
 */
#include "check.h"

#include "domain_books.h"
#include "table.h"

#define BEFORE_NS 5000000000ull /* they have run for so long */

static uint64_t began_ns;

/* Stands in for the programs in the kernel. */
void domain_read(const struct domain_meter *m, struct domain_sums *ret_sums)
{
	(void)m;
	*ret_sums = (struct domain_sums){ .cpus = 1 };
	ret_sums->ns[CPU_SLOT_DAEMON] = BEFORE_NS;
	ret_sums->began_ns = began_ns;
}

const struct domain_name *domain_names(const struct domain_meter *m)
{
	static const struct domain_name names[DOMAIN_NAMES];

	(void)m;
	return names;
}

int main(void)
{
	struct clock_info clock = { .khz = 2000000 };
	struct domain_line line[DOMAIN_LINES];
	const char *dir = check_directory();
	char path[64];
	struct domain_books *books;
	struct timespec now;
	struct domain head;
	struct table *table;
	uint64_t ns = 0;
	unsigned int i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	began_ns = now.tv_sec * 1000000000ull + now.tv_nsec - BEFORE_NS;
	snprintf(path, sizeof(path), "%s/table", dir);
	CHECK(!table_create(path, &clock, 1, 2, &table));
	CHECK(!domain_books_open(NULL, table, &books));
	domain_books_tick(books);
	table_read_domain(table, &head, line);
	CHECK_EQ(head.counted_by, DOMAIN_BY_KERNEL);
	CHECK(head.running_ns >= BEFORE_NS);
	CHECK(head.elapsed_ns >= BEFORE_NS);
	for (i = 0; i < DOMAIN_LINES; i++)
		ns += line[i].ns;
	CHECK_EQ(ns, head.running_ns);
	domain_books_close(books);
	table_destroy(table);
	check_remove_directory(dir);
	return 0;
}
