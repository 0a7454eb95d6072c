/* SPDX-License-Identifier: MIT */
/*
 * TAPs over lives.
 *
 * The alias of the interface is the record: it is made with it, goes with it, and stands
 * where an operator looks. Descriptors that systemd hands back (FileDescriptorStoreMax=
 * of the unit) bear the same name. Whatever is missing of them is made anew.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "log.h"
#include "taps.h"

#define NET_PATH "/sys/class/net"

/* Before the owner, in an alias. */
#define ALIAS "xenmeter "

struct kept_tap {
	struct kept_tap *next;
	char owner[TAP_ALIAS_SIZE];
	char name[IFNAMSIZ]; /* empty: the interface is not there, or elsewhere */
	unsigned int fds;
	int fd[TAP_MAX_QUEUES];
};

/* ---- found ---- */

static struct kept_tap **taps_at(struct taps *t, const char *owner)
{
	struct kept_tap **at = &t->first;

	while (*at && strcmp((*at)->owner, owner))
		at = &(*at)->next;
	return at;
}

static struct kept_tap *taps_get(struct taps *t, const char *owner)
{
	struct kept_tap **at = taps_at(t, owner);

	if (*at || strlen(owner) >= sizeof((*at)->owner))
		return *at;
	*at = calloc(1, sizeof(**at));
	if (*at)
		strcpy((*at)->owner, owner);
	return *at;
}

/* The owner of an interface of ours. */
static bool taps_read_alias(const char *name, char owner[TAP_ALIAS_SIZE])
{
	char path[sizeof(NET_PATH "//ifalias") + IFNAMSIZ], text[128];
	ssize_t got;
	int fd;

	if (snprintf(path, sizeof(path), NET_PATH "/%s/ifalias", name) >=
	    (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got < 0)
		return false;
	text[got] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, ALIAS, strlen(ALIAS)) ||
	    strlen(text + strlen(ALIAS)) >= TAP_ALIAS_SIZE)
		return false;
	strcpy(owner, text + strlen(ALIAS));
	return true;
}

static void taps_find_interfaces(struct taps *t)
{
	DIR *dir = opendir(NET_PATH);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char owner[TAP_ALIAS_SIZE];
		struct kept_tap *k = NULL;

		if (taps_read_alias(entry->d_name, owner))
			k = taps_get(t, owner);
		if (k)
			snprintf(k->name, sizeof(k->name), "%.15s", entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static void taps_find_descriptors(struct taps *t)
{
	char **names = NULL;
	int i, count = sd_listen_fds_with_names(1, &names);

	for (i = 0; i < count; i++) {
		struct kept_tap *k = taps_get(t, names[i]);
		int fd = SD_LISTEN_FDS_START + i;

		free(names[i]);
		if (k && k->fds < TAP_MAX_QUEUES)
			k->fd[k->fds++] = fd;
		else
			close(fd);
	}
	free(names);
}

void taps_find(struct taps *t)
{
	taps_find_interfaces(t);
	taps_find_descriptors(t);
}

/* ---- kept ---- */

static void taps_store(const struct tap *tap, const char *owner)
{
	int fd[TAP_MAX_QUEUES];
	char message[128];
	unsigned int i, queues = tap_queues(tap);

	for (i = 0; i < queues; i++)
		fd[i] = tap_queue_fd(tap, i);
	snprintf(message, sizeof(message), "FDSTORE=1\nFDNAME=%s", owner);
	if (sd_pid_notify_with_fds(0, 0, message, fd, queues) < 0)
		log_warning("%s: systemd does not keep its interface's descriptors",
			    owner);
}

static void taps_unstore(const char *owner)
{
	char message[128];

	snprintf(message, sizeof(message), "FDSTOREREMOVE=1\nFDNAME=%s", owner);
	sd_notify(0, message);
}

int taps_keep(struct tap *tap, const char *owner)
{
	char alias[TAP_ALIAS_SIZE + sizeof(ALIAS)];
	int err;

	if (snprintf(alias, sizeof(alias), ALIAS "%s", owner) >= TAP_ALIAS_SIZE)
		return -ENAMETOOLONG;
	err = tap_keep(tap, alias);
	if (!err)
		taps_store(tap, owner);
	return err;
}

/* ---- taken, or deleted ---- */

static void kept_tap_close(struct kept_tap *k)
{
	while (k->fds)
		close(k->fd[--k->fds]);
}

static int kept_tap_adopt(struct kept_tap *k, unsigned int queues, struct tap **ret_tap)
{
	unsigned int fds = k->fds;

	if (!k->name[0]) {
		kept_tap_close(k);
		return -ENODEV;
	}
	k->fds = 0;
	return tap_adopt(k->name, k->fd, fds, queues, ret_tap);
}

int taps_take(struct taps *t, const char *owner, unsigned int queues,
	      struct tap **ret_tap)
{
	struct kept_tap **at = taps_at(t, owner), *k = *at;
	bool stored;
	int err;

	if (!k)
		return -ENOENT;
	*at = k->next;
	stored = k->fds == queues;
	err = kept_tap_adopt(k, queues, ret_tap);
	if (err || !stored)
		taps_unstore(owner);
	if (!err && !stored)
		taps_store(*ret_tap, owner);
	free(k);
	return err;
}

void taps_delete(struct taps *t, const char *owner, struct tap *tap)
{
	struct kept_tap **at = taps_at(t, owner), *k = *at;
	struct tap *kept;

	if (k) {
		*at = k->next;
		if (!kept_tap_adopt(k, k->fds ? k->fds : 1, &kept))
			tap_delete(kept);
	}
	tap_delete(tap);
	if (k || tap)
		taps_unstore(owner);
	free(k);
}

void taps_sweep(struct taps *t, bool (*is_gone)(void *context, const char *owner),
		void *context)
{
	struct kept_tap *k = t->first;

	while (k) {
		char owner[TAP_ALIAS_SIZE];
		struct kept_tap *next = k->next;

		strcpy(owner, k->owner);
		if (is_gone(context, owner)) {
			log_info("%s: the device is gone: its interface%s%s goes, too",
				 owner, k->name[0] ? " " : "", k->name);
			taps_delete(t, owner, NULL);
		}
		k = next;
	}
}

void taps_free(struct taps *t)
{
	while (t->first) {
		struct kept_tap *k = t->first;

		t->first = k->next;
		kept_tap_close(k);
		free(k);
	}
}
