/* SPDX-License-Identifier: MIT */
/*
 * Lines of the domain's books from slots and names: what is folded, what is kept over
 * lives, that no name is lost when places run out, and that the lines add up to what was
 * counted.
 */
#include "check.h"

#include "domain_lines.h"

static struct domain_lines lines;
static struct domain_sums sums;
static struct domain_name names[DOMAIN_NAMES];
static const struct domain_line none[DOMAIN_LINES];

static uint64_t ns_of(enum domain_kind kind, const char *name)
{
	unsigned int i;

	for (i = 0; i < lines.count; i++)
		if (lines.line[i].kind == kind && !strcmp(lines.line[i].name, name))
			return lines.line[i].ns;
	return 0;
}

static uint64_t ns_of_all(void)
{
	uint64_t ns = 0;
	unsigned int i;

	for (i = 0; i < lines.count; i++)
		ns += lines.line[i].ns;
	return ns;
}

static void name(unsigned int slot, enum domain_name_kind kind, const char *text)
{
	struct domain_name *n = &names[slot - CPU_SLOT_NAMED];

	memset(n, 0, sizeof(*n));
	n->kind = kind;
	strncpy(n->text, text, sizeof(n->text));
}

static void begin(void)
{
	memset(&sums, 0, sizeof(sums));
	memset(names, 0, sizeof(names));
	domain_lines_open(&lines, none);
}

static void test_kinds(void)
{
	begin();
	name(130, DOMAIN_NAME_PROCESS, "fio");
	name(131, DOMAIN_NAME_PROCESS, "storage-12");
	name(132, DOMAIN_NAME_PROCESS, "storage-12a");
	name(133, DOMAIN_NAME_KTHREAD, "kworker/0:1");
	name(134, DOMAIN_NAME_KTHREAD, "kworker/u4:2");
	name(135, DOMAIN_NAME_INTERRUPT, "nvme0q");
	name(136, DOMAIN_NAME_PROCESS, "sixteen_bytes_by"); /* no NUL */
	names[140 - CPU_SLOT_NAMED].kind = DOMAIN_NAME_TAKEN;
	sums.ns[CPU_SLOT_IDLE] = 1000000; /* sleep, or in lines of its own */
	sums.ns[CPU_SLOT_DAEMON] = 1;
	sums.ns[CPU_SLOT_TIMER] = 2;
	sums.ns[CPU_SLOT_SOFTIRQ + 3] = 4;
	sums.ns[CPU_SLOT_SOFTIRQ + 15] = 8;
	sums.ns[130] = 16;
	sums.ns[131] = 32;
	sums.ns[132] = 64;
	sums.ns[133] = 128;
	sums.ns[134] = 256;
	sums.ns[135] = 512;
	sums.ns[136] = 1024;
	sums.ns[140] = 2048; /* not known yet */
	sums.idle[CPU_SLOT_IDLE] = 4096;
	sums.idle[135] = 8192;
	domain_lines_fill(&lines, &sums, names);
	CHECK_EQ(ns_of(DOMAIN_DAEMON, "xenmeterd"), 1);
	CHECK_EQ(ns_of(DOMAIN_INTERRUPT, "local timer"), 2);
	CHECK_EQ(ns_of(DOMAIN_SOFTIRQ, "net_rx"), 4);
	CHECK_EQ(ns_of(DOMAIN_SOFTIRQ, "others"), 8);
	CHECK_EQ(ns_of(DOMAIN_PROCESS, "fio"), 16);
	CHECK_EQ(ns_of(DOMAIN_HELPER, "storage-12"), 32);
	CHECK_EQ(ns_of(DOMAIN_PROCESS, "storage-12a"), 64);
	CHECK_EQ(ns_of(DOMAIN_KTHREAD, "kworker"), 384);
	CHECK_EQ(ns_of(DOMAIN_INTERRUPT, "nvme0q"), 512);
	CHECK_EQ(ns_of(DOMAIN_PROCESS, "sixteen_bytes_by"), 1024);
	CHECK_EQ(ns_of(DOMAIN_IDLE, "no interrupt"), 4096);
	CHECK_EQ(ns_of(DOMAIN_IDLE, "nvme0q"), 8192);
	CHECK_EQ(ns_of_all(), 16383 - 2048);
	/* It is filled in anew each time, and what had no name has one now. */
	name(140, DOMAIN_NAME_PROCESS, "late");
	domain_lines_fill(&lines, &sums, names);
	CHECK_EQ(ns_of(DOMAIN_PROCESS, "late"), 2048);
	CHECK_EQ(ns_of_all(), 16383);
}

/* What was counted and is in no line is a line, and so is the time without a daemon. */
static void test_close(void)
{
	begin();
	sums.ns[CPU_SLOT_DAEMON] = 700;
	domain_lines_fill(&lines, &sums, names);
	domain_lines_close(&lines, 1000, 50);
	CHECK_EQ(ns_of(DOMAIN_UNNAMED, ""), 250);
	CHECK_EQ(ns_of(DOMAIN_GAP, ""), 50);
	CHECK_EQ(ns_of_all(), 1000);
	domain_lines_close(&lines, 740, 50);
	CHECK_EQ(ns_of(DOMAIN_UNNAMED, ""), 0);
	CHECK_EQ(ns_of_all(), 750);
}

/* The next life adds to the lines of the last one, by name and not by slot. */
static void test_lives(void)
{
	struct domain_line carried[DOMAIN_LINES];

	begin();
	name(150, DOMAIN_NAME_PROCESS, "xl");
	sums.ns[150] = 5;
	sums.ns[CPU_SLOT_DAEMON] = 6;
	domain_lines_fill(&lines, &sums, names);
	domain_lines_close(&lines, 20, 0);
	memcpy(carried, lines.line, sizeof(carried));
	memset(&sums, 0, sizeof(sums));
	name(150, DOMAIN_NAME_PROCESS, "bash");
	name(151, DOMAIN_NAME_PROCESS, "xl");
	sums.ns[150] = 100;
	sums.ns[151] = 1000;
	domain_lines_open(&lines, carried);
	domain_lines_fill(&lines, &sums, names);
	CHECK_EQ(ns_of(DOMAIN_PROCESS, "xl"), 1005);
	CHECK_EQ(ns_of(DOMAIN_PROCESS, "bash"), 100);
	CHECK_EQ(ns_of(DOMAIN_DAEMON, "xenmeterd"), 6);
	domain_lines_close(&lines, 1150, 30);
	CHECK_EQ(ns_of(DOMAIN_UNNAMED, ""), 9);
	CHECK_EQ(ns_of_all(), 1150);
}

/* What runs did for rows is a part of their line, over all lives. */
static void test_charged(void)
{
	struct domain_line carried[DOMAIN_LINES];
	const struct domain_line *line;

	begin();
	sums.ns[CPU_SLOT_SOFTIRQ + 3] = 40;
	sums.charged[CPU_SLOT_SOFTIRQ + 3] = 30;
	domain_lines_fill(&lines, &sums, names);
	domain_lines_fill(&lines, &sums, names);
	memcpy(carried, lines.line, sizeof(carried));
	domain_lines_open(&lines, carried);
	sums.charged[CPU_SLOT_SOFTIRQ + 3] = 7;
	domain_lines_fill(&lines, &sums, names);
	line = domain_lines_find(&lines, DOMAIN_SOFTIRQ, "net_rx");
	CHECK_EQ(line->ns, 80);
	CHECK_EQ(line->charged_ns, 37);
}

/* Names without end: the books stay whole. */
static void test_full(void)
{
	uint64_t all = 0;
	char text[16];
	unsigned int life, i;

	begin();
	for (life = 0; life < 5; life++) {
		struct domain_line carried[DOMAIN_LINES];

		memcpy(carried, lines.line, sizeof(carried));
		domain_lines_open(&lines, carried);
		for (i = CPU_SLOT_NAMED; i < CPU_SLOTS; i++) {
			snprintf(text, sizeof(text), "task-%u-%u", life, i);
			name(i, 2 + i % 3, text);
			sums.ns[i] = i;
			sums.idle[i] = i % 3 == 2 ? 1 : 0;
			all += sums.ns[i] + sums.idle[i];
		}
		domain_lines_fill(&lines, &sums, names);
		domain_lines_close(&lines, all, 0);
		CHECK_EQ(ns_of_all(), all);
		CHECK_EQ(ns_of(DOMAIN_UNNAMED, ""), 0);
		CHECK(lines.count <= DOMAIN_LINES);
	}
	CHECK(ns_of(DOMAIN_PROCESS, "others") > 0);
	CHECK(ns_of(DOMAIN_KTHREAD, "others") > 0);
	CHECK(ns_of(DOMAIN_INTERRUPT, "others") > 0);
	CHECK(ns_of(DOMAIN_IDLE, "others") > 0);
}

/* What a damaged table holds is cut off. */
static void test_damaged(void)
{
	static struct domain_line carried[DOMAIN_LINES];
	unsigned int i;

	memset(carried, 'x', sizeof(carried));
	domain_lines_open(&lines, carried);
	CHECK_EQ(lines.count, 0);
	for (i = 0; i < DOMAIN_LINES; i++) {
		carried[i].kind = DOMAIN_PROCESS;
		snprintf(carried[i].name, 4, "%u", i);
	}
	domain_lines_open(&lines, carried);
	CHECK(ns_of(DOMAIN_PROCESS, "others"));
	memset(carried, 'x', sizeof(carried));
	for (i = 0; i < DOMAIN_LINES; i++)
		carried[i].kind = DOMAIN_IDLE;
	domain_lines_open(&lines, carried);
	CHECK_EQ(lines.count, 1);
	for (i = 0; i < lines.count; i++)
		CHECK_EQ(strlen(lines.line[i].name), sizeof(lines.line[i].name) - 1);
	domain_lines_fill(&lines, &sums, names);
	domain_lines_close(&lines, 1, 0);
	CHECK(lines.count <= DOMAIN_LINES);
}

int main(void)
{
	test_kinds();
	test_close();
	test_lives();
	test_charged();
	test_full();
	test_damaged();
	return 0;
}
