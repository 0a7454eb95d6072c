/* SPDX-License-Identifier: MIT */
/*
 * What entries of a trace say beside requests: names of rows, and clocks. And what can be
 * said of a request from itself.
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "trace_command.h"

static const struct {
	const char *name;
	enum xenmeter_operation operation;
} operations[] = {
	{ "unknown", XENMETER_OP_UNKNOWN }, { "read", XENMETER_OP_READ },
	{ "write", XENMETER_OP_WRITE },	    { "flush", XENMETER_OP_FLUSH },
	{ "discard", XENMETER_OP_DISCARD }, { "tx", XENMETER_OP_TX },
	{ "rx", XENMETER_OP_RX },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

const char *trace_op_name(unsigned int operation)
{
	size_t i;

	for (i = 0; i < OPERATIONS; i++)
		if (operations[i].operation == operation)
			return operations[i].name;
	return "?";
}

int trace_op_find(const char *name)
{
	size_t i;

	for (i = 0; i < OPERATIONS; i++)
		if (!strcmp(operations[i].name, name))
			return operations[i].operation;
	return -1;
}

static uint64_t sum_stages(const uint32_t *cycles)
{
	uint64_t total = 0;
	int i;

	for (i = 0; i < XENMETER_STAGES; i++)
		total += cycles[i];
	return total;
}

uint64_t trace_exact_cycles(const struct xenmeter_record *r)
{
	bool shared = r->flags & XENMETER_RECORD_SPIN_SHARED;

	if (r->kind == XENMETER_RECORD_OFFLOAD)
		return r->flags & XENMETER_RECORD_APPORTIONED ? 0 : r->device;
	return sum_stages(r->exact) + (shared ? 0 : r->spin);
}

uint64_t trace_cycles(const struct xenmeter_record *r)
{
	if (r->kind == XENMETER_RECORD_OFFLOAD)
		return r->device;
	return sum_stages(r->exact) + sum_stages(r->apportioned) + r->spin;
}

/* ---- rows ---- */

static int compare_generation(const void *a, const void *b)
{
	const struct trace_row_record *left = a, *right = b;

	return (left->generation > right->generation) -
	       (left->generation < right->generation);
}

const struct trace_row_record *trace_row(const struct trace_known *k, uint32_t generation)
{
	struct trace_row_record like = { .generation = generation };
	struct trace_row_record *const *found =
		tfind(&like, &k->rows, compare_generation);

	return found ? *found : NULL;
}

bool trace_row_is_guest(const struct trace_row_record *row, uint32_t domid,
			const char *guest)
{
	char text[TEXT_UUID];

	snprintf(text, sizeof(text), "%u", domid);
	if (!strcmp(guest, text))
		return true;
	if (!row)
		return false;
	text_uuid(text, row->uuid);
	return !strcmp(guest, row->name) || (text[0] && !strcasecmp(guest, text));
}

static int learn_row(struct trace_known *k, const struct trace_row_record *row)
{
	struct trace_row_record *mine;

	if (trace_row(k, row->generation))
		return 0;
	mine = malloc(sizeof(*mine));
	if (!mine)
		return -ENOMEM;
	*mine = *row;
	mine->name[sizeof(mine->name) - 1] = '\0';
	mine->device[sizeof(mine->device) - 1] = '\0';
	text_clean(mine->name);
	text_ascii(mine->device);
	if (tsearch(mine, &k->rows, compare_generation))
		return 0;
	free(mine);
	return -ENOMEM;
}

int trace_learn(struct trace_known *k, const union trace_entry *e)
{
	if (e->request.kind == XENMETER_RECORD_CLOCK)
		k->clock = e->clock;
	if (e->request.kind == XENMETER_RECORD_ROW)
		return learn_row(k, &e->row);
	return 0;
}

void trace_known_free(struct trace_known *k)
{
	tdestroy(k->rows, free);
	k->rows = NULL;
}

/* ---- clocks ---- */

uint64_t trace_time_ns(const struct trace_known *k, uint64_t cycles)
{
	int64_t since = cycles - k->clock.cycles;

	return k->clock.realtime_ns +
	       (int64_t)((__int128)since * 1000000 / (int64_t)k->clock_khz);
}
