/* SPDX-License-Identifier: MIT */
/*
 * What a daemon that was killed has left: how many requests its journals have open, how
 * many responses nobody was shown, how many pushes it was in the middle of, and which
 * disks its I/O is still on the way to.
 *
 * usage: left PREFIX [DOMID:DEVID:PATH]...
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk_life.h"
#include "journal.h"

struct left {
	unsigned int journals, open, unshown, pushing;
};

static void look_at_entries(const struct ring_journal *j, struct left *l)
{
	const struct ring_record *r = j->record;
	uint32_t i;

	for (i = 0; i < j->slots; i++) {
		const struct ring_entry *e = &j->entry[i];

		if (e->ticket <= r->voided || e->ticket > r->taken)
			continue;
		l->open += !e->answer || e->answer > r->rsp_pushed;
		l->unshown += e->answer > r->rsp_pushed;
	}
}

static void look_at_ring(const struct ring_journal *r, struct left *l)
{
	if (r->entry)
		look_at_entries(r, l);
	else
		l->open += r->record->taken - r->record->rsp_pushed;
	l->pushing += r->record->rsp_intended != r->record->rsp_pushed;
}

static int look(void *context, const char *path)
{
	unsigned int rings, i;
	struct left *l = context;
	struct journal *j;
	struct ring_journal r;

	if (journal_open(path, &j))
		return 0;
	l->journals++;
	/* From the guest and to it. */
	rings = strcmp(journal_key(j)->kind, "vif") ? 1 : 2;
	for (i = 0; i < rings; i++) {
		r = journal_ring(j, i);
		look_at_ring(&r, l);
	}
	journal_close(j);
	return 0;
}

static bool is_busy(const char *what)
{
	struct disk d = { .kind = DISK_FILE };
	unsigned int domid, devid;
	int at = 0;
	bool busy;

	if (sscanf(what, "%u:%u:%n", &domid, &devid, &at) != 2 || !at)
		exit(2);
	d.fd = open(what + at, O_RDWR | O_CLOEXEC);
	if (d.fd < 0)
		exit(2);
	busy = disk_await_old_io(&d, domid, devid) != 0;
	close(d.fd);
	return busy;
}

int main(int argc, char **argv)
{
	struct left l = { 0 };
	unsigned int busy = 0;
	int i;

	if (argc < 2)
		return 2;
	for (i = 2; i < argc; i++)
		busy += is_busy(argv[i]);
	if (journal_scan(argv[1], look, &l))
		return 1;
	printf("%u %u %u %u %u\n", l.journals, l.open, l.unshown, l.pushing, busy);
	return 0;
}
