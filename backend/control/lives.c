/* SPDX-License-Identifier: MIT */
/*
 * What is left of a former life of the daemon.
 *
 * A device is taken up where its directory names the connection that its journals are of.
 * Domids, devices' numbers and grant references come again; the nonce does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "blame.h"
#include "device.h"
#include "lives.h"
#include "log.h"
#include "xenbus.h"

struct left_journal {
	struct left_journal *next;
	struct journal *journal;
};

static void lives_add(struct lives *l, struct journal *j)
{
	struct left_journal *left = calloc(1, sizeof(*left));

	if (!left) {
		journal_close(j);
		return;
	}
	left->journal = j;
	left->next = l->first;
	l->first = left;
}

static int lives_found(void *context, const char *path)
{
	struct journal *j;
	int err = journal_open(path, &j);

	if (!err) {
		lives_add(context, j);
		return 0;
	}
	if (err != -ENODATA)
		log_warning("%s: cannot go on from it: %s", path, strerror(-err));
	if (err == -ENODATA || err == -EPROTO)
		unlinkat(AT_FDCWD, path, 0);
	return 0;
}

void lives_find(struct lives *l, const char *prefix)
{
	int err = journal_scan(prefix, lives_found, l);

	if (err && err != -ENOENT)
		log_warning("%s: cannot look for journals: %s", prefix, strerror(-err));
}

/* ---- on trial ---- */

struct trial {
	unsigned int journals, unusable;
};

static int lives_try_one(void *context, const char *path)
{
	struct trial *t = context;
	const struct device_class *class;
	struct journal *j;
	int err = journal_open_copy(path, &j);

	if (err == -ENODATA || err == -ENOENT)
		return 0; /* being made, or gone meanwhile */
	if (!err) {
		class = device_class_of(journal_key(j)->kind);
		err = class ? class->try_journal(j) : -EPROTO;
		if (!class)
			journal_close(j);
	}
	t->journals++;
	t->unusable += err != 0;
	return 0;
}

int lives_try(const char *prefix, unsigned int *ret_unusable)
{
	struct trial t = { 0 };
	int err = journal_scan(prefix, lives_try_one, &t);

	if (err && err != -ENOENT)
		return err;
	*ret_unusable = t.unusable;
	return t.journals;
}

/* ---- taken ---- */

uint64_t lives_nonce(void)
{
	uint64_t nonce = 0;

	while (!nonce)
		if (getrandom(&nonce, sizeof(nonce), 0) == sizeof(nonce))
			nonce >>= 1;
	return nonce;
}

static struct journal *lives_take_one(struct lives *l, const char *path, uint64_t nonce,
				      unsigned int queue)
{
	struct left_journal **at = &l->first, *left;
	uint32_t domid, devid;
	struct journal *j;
	char kind[8];

	if (!xenbus_split_device(path, kind, &domid, &devid))
		return NULL;
	for (; (left = *at); at = &left->next) {
		const struct journal_key *key = journal_key(left->journal);

		if (key->nonce == nonce && key->queue == queue && key->domid == domid &&
		    key->devid == devid && !strncmp(key->kind, kind, sizeof(key->kind)))
			break;
	}
	if (!left)
		return NULL;
	*at = left->next;
	j = left->journal;
	free(left);
	return j;
}

int lives_take(struct lives *l, const char *path, uint64_t nonce, struct journals *ret)
{
	struct journals j = { 0 };
	unsigned int queues = 1;

	while (j.count < queues) {
		struct journal *one = lives_take_one(l, path, nonce, j.count);

		if (one)
			queues = journal_key(one)->queues;
		if (!one || !queues || queues > LIMIT_QUEUES_PER_DEVICE) {
			journal_close(one);
			journals_remove(&j);
			return -ENOENT;
		}
		j.queue[j.count++] = one;
	}
	*ret = j;
	return 0;
}

void lives_sweep(struct lives *l)
{
	while (l->first) {
		struct left_journal *left = l->first;

		l->first = left->next;
		journal_remove(left->journal);
		journal_close(left->journal);
		free(left);
	}
}

void journals_blame(const struct journals *j, struct journal_blame *ret)
{
	unsigned int i;

	for (i = 0; i < j->count; i++)
		if (j->queue[i])
			blame_sum(ret, journal_blame(j->queue[i]));
}

void journals_remove(struct journals *j)
{
	unsigned int i;

	for (i = 0; i < j->count; i++)
		journal_remove(j->queue[i]);
	journals_close(j);
}

void journals_close(struct journals *j)
{
	unsigned int i;

	for (i = 0; i < j->count; i++)
		journal_close(j->queue[i]);
	j->count = 0;
}
