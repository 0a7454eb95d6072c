/* SPDX-License-Identifier: MIT */
/*
 * Columns of guests and of queues.
 */
#include <stdio.h>
#include <string.h>

#include "columns.h"

#define MIB 1048576.0

/* ---- who it is ---- */

static const struct xenmeter_row *newest_row(const struct line *l)
{
	return &l->group->newest->row;
}

/* A line for more than one guest. */
static bool is_sum(const struct line *l)
{
	return l->name || newest_row(l)->state == XENMETER_RECYCLED;
}

void cell_domid(char *cell, const struct line *l)
{
	if (is_sum(l))
		strcpy(cell, "-");
	else
		snprintf(cell, CELL, "%u", newest_row(l)->domid);
}

static void cell_uuid(char *cell, const struct line *l)
{
	cell[0] = '\0';
	if (!is_sum(l))
		text_uuid(cell, newest_row(l)->uuid);
	if (!cell[0])
		strcpy(cell, "-");
}

void cell_name(char *cell, const struct line *l)
{
	const char *name = l->name ? l->name : newest_row(l)->name;

	text_escape(cell, CELL, name[0] ? name : "-");
}

static void cell_state(char *cell, const struct line *l)
{
	if (l->name)
		strcpy(cell, "-");
	else if (l->group->live)
		strcpy(cell, "live");
	else
		strcpy(cell, report_row_state_name(newest_row(l)->state));
}

void cell_device(char *cell, const struct line *l)
{
	if (is_sum(l) || !newest_row(l)->device[0])
		strcpy(cell, "-");
	else
		text_escape(cell, CELL, newest_row(l)->device);
}

void cell_devid(char *cell, const struct line *l)
{
	if (is_sum(l))
		strcpy(cell, "-");
	else
		text_device(cell, newest_row(l)->device, newest_row(l)->devid);
}

static void cell_queue(char *cell, const struct line *l)
{
	if (is_sum(l))
		strcpy(cell, "-");
	else if (newest_row(l)->queue == XENMETER_CONTROL_QUEUE)
		strcpy(cell, "ctl");
	else
		snprintf(cell, CELL, "%u", newest_row(l)->queue);
}

static void cell_devices(char *cell, const struct line *l)
{
	snprintf(cell, CELL, "%u", l->group->devices);
}

/* ---- counts ---- */

static double count_or_rate(const struct line *l, double amount)
{
	return l->rate_seconds > 0 ? amount / l->rate_seconds : amount;
}

static void cell_count(char *cell, const struct line *l, enum row_counter slot)
{
	text_compact(cell, count_or_rate(l, l->group->counter[slot]));
}

/* Frames that did not arrive, for whatever reason but that they were not valid. */
static void cell_drops(char *cell, const struct line *l)
{
	uint64_t drops = 0;
	int slot;

	for (slot = ROW_tx_dropped_grant; slot <= ROW_rx_dropped_tap; slot++)
		drops += l->group->counter[slot];
	text_compact(cell, count_or_rate(l, drops));
}

static void cell_mib(char *cell, const struct line *l)
{
	text_compact(cell, count_or_rate(l, l->group->counter[ROW_bytes] / MIB));
}

/* ---- cycles ---- */

static void cell_part(char *cell, const struct line *l, uint64_t cycles)
{
	double seconds = xenmeter_seconds(l->report->table, cycles);

	if (l->rate_seconds > 0)
		text_percent(cell, seconds, l->rate_seconds);
	else
		text_seconds(cell, seconds);
}

static void cell_cpu(char *cell, const struct line *l)
{
	cell_part(cell, l, counters_cpu(l->group->counter));
}

/* Of the vCPUs themselves. */
static void cell_own(char *cell, const struct line *l)
{
	uint64_t ns;

	if (is_sum(l) || !l->group->live ||
	    !report_vcpu_ns(l->report, newest_row(l)->domid, &ns))
		strcpy(cell, "-");
	else if (l->rate_seconds > 0)
		text_percent(cell, ns / 1e9, l->rate_seconds);
	else
		text_seconds(cell, ns / 1e9);
}

static void cell_share(char *cell, const struct line *l)
{
	text_percent(cell, counters_cpu(l->group->counter), l->all_cpu);
}

static void cell_exact(char *cell, const struct line *l)
{
	text_percent(cell, counters_cpu_exact(l->group->counter),
		     counters_cpu(l->group->counter));
}

static void cell_cpu_exact(char *cell, const struct line *l)
{
	cell_part(cell, l, counters_exact(l->group->counter));
}

static void cell_cpu_apportioned(char *cell, const struct line *l)
{
	cell_part(cell, l,
		  counters_charged(l->group->counter) -
			  counters_exact(l->group->counter));
}

static void cell_cpu_offload(char *cell, const struct line *l)
{
	cell_part(cell, l,
		  counters_cpu(l->group->counter) - counters_charged(l->group->counter));
}

void cell_average(char *cell, uint64_t cycles, uint64_t requests)
{
	if (requests)
		text_compact(cell, (double)cycles / requests);
	else
		strcpy(cell, "-");
}

void cell_average_us(char *cell, const struct report *r, uint64_t cycles,
		     uint64_t requests)
{
	if (requests)
		text_compact(cell, xenmeter_seconds(r->table, cycles) * 1e6 / requests);
	else
		strcpy(cell, "-");
}

static void cell_cycles(char *cell, const struct line *l)
{
	cell_average(cell, counters_cpu(l->group->counter),
		     l->group->counter[ROW_requests]);
}

static void cell_us(char *cell, const struct line *l)
{
	cell_average_us(cell, l->report, counters_cpu(l->group->counter),
			l->group->counter[ROW_requests]);
}

/* ---- the columns ---- */

#define COUNTED(title, rate_title, rank, slot)                                           \
	{                                                                                \
		title, rate_title, NULL, GRID_RIGHT, rank, slot                          \
	}
#define NUMBER(title, rate_title, rank, print)                                           \
	{                                                                                \
		title, rate_title, print, GRID_RIGHT, rank, 0                            \
	}
/* What follows who it is. */
#define GUEST_FIGURES                                                                    \
	NUMBER("DEV", NULL, 7, cell_devices), COUNTED("REQS", "REQ/s", 0, ROW_requests), \
		NUMBER("MiB", "MiB/s", 1, cell_mib),                                     \
		COUNTED("ERR", "ERR/s", 3, ROW_errors),                                  \
		COUNTED("REFUS", "REF/s", 4, ROW_refused),                               \
		NUMBER("CPU-s", "CPU%", 0, cell_cpu),                                    \
		NUMBER("OWN-s", "OWN%", 4, cell_own),                                    \
		NUMBER("SHARE", NULL, 0, cell_share),                                    \
		NUMBER("EXACT", NULL, 2, cell_exact),                                    \
		NUMBER("CYC/R", NULL, 6, cell_cycles), NUMBER("us/R", NULL, 2, cell_us), \
		COUNTED("EVENT", "EVT/s", 9, ROW_events),                                \
		COUNTED("SPUR", "SPU/s", 8, ROW_events_spurious)

static const struct column guests[] = {
	NUMBER("DOMID", NULL, 0, cell_domid),
	{ "NAME", NULL, cell_name, GRID_NAME, 0, 0 },
	GUEST_FIGURES,
};
const struct columns guest_columns = { sizeof(guests) / sizeof(guests[0]), guests };

static const struct column uuids[] = {
	{ "UUID", NULL, cell_uuid, GRID_LEFT, 0, 0 },
	{ "NAME", NULL, cell_name, GRID_NAME, 0, 0 },
	GUEST_FIGURES,
};
const struct columns uuid_columns = { sizeof(uuids) / sizeof(uuids[0]), uuids };

static const struct column splits[] = {
	NUMBER("DOMID", NULL, 0, cell_domid),
	{ "NAME", NULL, cell_name, GRID_NAME, 0, 0 },
	COUNTED("REQS", "REQ/s", 1, ROW_requests),
	NUMBER("CPU-s", "CPU%", 0, cell_cpu),
	NUMBER("EXACT-s", "EXACT%", 0, cell_cpu_exact),
	NUMBER("APPOR-s", "APPOR%", 0, cell_cpu_apportioned),
	NUMBER("OFFLD-s", "OFFLD%", 0, cell_cpu_offload),
	NUMBER("SHARE", NULL, 2, cell_share),
};
const struct columns split_columns = { sizeof(splits) / sizeof(splits[0]), splits };

static const struct column queues[] = {
	NUMBER("DOMID", NULL, 0, cell_domid),
	{ "NAME", NULL, cell_name, GRID_NAME, 0, 0 },
	{ "DEV", NULL, cell_device, GRID_LEFT, 0, 0 },
	NUMBER("DEVID", NULL, 0, cell_devid),
	NUMBER("Q", NULL, 0, cell_queue),
	{ "STATE", NULL, cell_state, GRID_LEFT, 5, 0 },
	COUNTED("REQS", "REQ/s", 0, ROW_requests),
	COUNTED("READ", "RD/s", 6, ROW_read_requests),
	COUNTED("WRITE", "WR/s", 6, ROW_write_requests),
	COUNTED("FLUSH", "FLU/s", 8, ROW_flush_requests),
	COUNTED("DISC", "DIS/s", 9, ROW_discard_requests),
	COUNTED("TX", "TX/s", 7, ROW_tx_frames),
	COUNTED("RX", "RX/s", 7, ROW_rx_frames),
	NUMBER("DROP", "DRO/s", 4, cell_drops),
	NUMBER("MiB", "MiB/s", 1, cell_mib),
	COUNTED("ERR", "ERR/s", 3, ROW_errors),
	COUNTED("REFUS", "REF/s", 5, ROW_refused),
	COUNTED("PAGES", "PAG/s", 10, ROW_pages),
	NUMBER("CPU-s", "CPU%", 0, cell_cpu),
	NUMBER("SHARE", NULL, 0, cell_share),
	NUMBER("EXACT", NULL, 2, cell_exact),
	NUMBER("CYC/R", NULL, 6, cell_cycles),
	NUMBER("us/R", NULL, 2, cell_us),
	COUNTED("EVENT", "EVT/s", 11, ROW_events),
	COUNTED("SPUR", "SPU/s", 11, ROW_events_spurious),
};
const struct columns queue_columns = { sizeof(queues) / sizeof(queues[0]), queues };

/* ---- lines ---- */

/* Nothing is known of vCPUs where the hypervisor cannot be asked. */
static bool is_shown(const struct column *c, const struct report *r)
{
	return c->print != cell_own || r->vcpus;
}

void columns_begin(struct grid *g, const struct columns *columns, const struct line *line)
{
	bool rates = line->rate_seconds > 0;
	size_t i;

	for (i = 0; i < columns->count; i++) {
		const struct column *c = &columns->column[i];

		if (!is_shown(c, line->report))
			continue;
		grid_add_column(g, rates && c->rate_title ? c->rate_title : c->title,
				c->kind, c->rank);
	}
}

int columns_add(struct grid *g, const struct columns *columns, const struct line *line)
{
	char cell[CELL];
	size_t i, shown = 0;
	int err = grid_add_line(g);

	for (i = 0; !err && i < columns->count; i++) {
		const struct column *c = &columns->column[i];

		if (!is_shown(c, line->report))
			continue;
		if (c->print)
			c->print(cell, line);
		else
			cell_count(cell, line, c->counter);
		err = grid_set(g, shown++, cell);
	}
	return err;
}
