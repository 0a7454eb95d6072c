/* SPDX-License-Identifier: MIT */
/*
 * The rows as CSV (RFC 4180, but with plain line ends), by the table's own description of
 * itself: counters that this program does not know yet come along.
 */
#include <inttypes.h>
#include <stdio.h>

#include "dump.h"
#include "text.h"

/* Whether a field is a plain counter of rows. */
static bool csv_has_field(const struct xenmeter_field *f)
{
	return f->section == XENMETER_ROWS && f->count == 1;
}

static void print_csv_header(const struct report *r)
{
	struct xenmeter_field f;
	char name[TEXT_FIELD];
	size_t i;

	fputs("time,index,state,torn,worker,domid,name,uuid,device,devid,device_name,"
	      "queue,generation,cpu_seconds",
	      stdout);
	for (i = 0; !xenmeter_field_at(r->table, i, &f); i++) {
		if (!csv_has_field(&f))
			continue;
		text_field(name, f.name);
		printf(",%s", name);
	}
	putchar('\n');
}

static void print_csv_row(const struct report *r, const struct report_row *at)
{
	const struct xenmeter_row *row = &at->row;
	struct xenmeter_field f;
	char uuid[TEXT_UUID], device[TEXT_DEVICE];
	size_t i;

	text_uuid(uuid, row->uuid);
	printf("%.3f,%zu,%s,%d,%u,%u,", r->time_ns / 1e9, at->index,
	       report_row_state_name(row->state), at->torn, row->worker, row->domid);
	text_csv_name(stdout, row->name);
	printf(",%s,", uuid);
	text_csv_name(stdout, row->device);
	text_device(device, row->device, row->devid);
	printf(",%u,%s,", row->devid, device);
	if (row->queue == XENMETER_CONTROL_QUEUE)
		fputs("ctl", stdout);
	else
		printf("%u", row->queue);
	printf(",%u,%.9f", row->generation,
	       xenmeter_seconds(r->table, counters_cpu(row->counter)));
	for (i = 0; !xenmeter_field_at(r->table, i, &f); i++)
		if (csv_has_field(&f))
			printf(",%" PRIu64, row->counter[f.slot]);
	putchar('\n');
}

int dump_csv(const struct dump *d, const struct report *r)
{
	size_t i;

	if (!d->round)
		print_csv_header(r);
	for (i = 0; i < r->rows_count; i++)
		if (dump_has_row(d, &r->rows[i]))
			print_csv_row(r, &r->rows[i]);
	return 0;
}
