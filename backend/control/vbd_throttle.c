/* SPDX-License-Identifier: MIT */
/*
 * The limits of a disk, from its directory to its queues.
 */
#include <errno.h>
#include <linux/ioprio.h>
#include <stdlib.h>
#include <string.h>

#include "vbd_throttle.h"
#include "xenbus.h"

#define BEST_EFFORT  "best-effort"
#define LEVELS	     8
#define LEVEL_NORMAL 4 /* as ionice(1) has it */

enum throttle_key { KEY_IOPS, KEY_BYTES, KEY_IOPRIO, KEYS };

static const struct {
	const char *name, *wanted;
} keys[KEYS] = {
	[KEY_IOPS] = { "iops", "a number of requests a second" },
	[KEY_BYTES] = { "bytes", "a number of bytes a second" },
	[KEY_IOPRIO] = { "ioprio", "idle, best-effort, or best-effort,0 to 7" },
};

/* "best-effort", "best-effort,7" or "idle". */
static int throttle_parse_ioprio(const char *text, uint16_t *ret_ioprio)
{
	size_t length = strlen(BEST_EFFORT);
	unsigned int level = LEVEL_NORMAL;

	if (!strcmp(text, "idle")) {
		*ret_ioprio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
		return 0;
	}
	if (strncmp(text, BEST_EFFORT, length))
		return -EINVAL;
	text += length;
	if (text[0] == ',') {
		level = (unsigned int)text[1] - '0';
		text += text[1] ? 2 : 1;
	}
	if (text[0] || level >= LEVELS)
		return -EINVAL;
	*ret_ioprio = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, level);
	return 0;
}

static int throttle_read_ioprio(struct control *c, struct device *d, uint16_t *ret_ioprio)
{
	char *text = xenbus_read(c->xs, d->path, keys[KEY_IOPRIO].name);
	int err = text || errno == EINVAL ? -EINVAL : 0;

	if (text)
		err = throttle_parse_ioprio(text, ret_ioprio);
	free(text);
	return err;
}

static int throttle_read_number(struct control *c, struct device *d,
				enum throttle_key key, uint64_t *ret_number)
{
	int err = xenbus_read_number(c->xs, d->path, keys[key].name, UINT64_MAX,
				     ret_number);

	return err == -ENOENT ? 0 : err;
}

/* Said once, and again only when it was well meanwhile. */
static void throttle_complain(struct control *c, struct device *d, unsigned int bad)
{
	unsigned int key;

	for (key = 0; key < KEYS; key++) {
		char *text;

		if (!(bad & 1u << key))
			continue;
		text = xenbus_read(c->xs, d->path, keys[key].name);
		device_say(d, LOG_LEVEL_WARNING, "%s=%s is not %s: not limited by it",
			   keys[key].name, text ? text : "", keys[key].wanted);
		free(text);
	}
}

void vbd_throttle_read(struct control *c, struct device *d, struct vbd_throttle *t,
		       struct disk *disk)
{
	unsigned int bad = 0;
	uint16_t ioprio = 0;

	t->limit = (struct throttle_limit){ 0 };
	if (throttle_read_number(c, d, KEY_IOPS, &t->limit.iops))
		bad |= 1u << KEY_IOPS;
	if (throttle_read_number(c, d, KEY_BYTES, &t->limit.bytes))
		bad |= 1u << KEY_BYTES;
	if (throttle_read_ioprio(c, d, &ioprio))
		bad |= 1u << KEY_IOPRIO;
	disk_set_ioprio(disk, ioprio);
	throttle_complain(c, d, bad & ~t->bad);
	t->bad = bad;
}

void vbd_throttle_follow(struct control *c, struct device *d, struct vbd_throttle *t,
			 struct disk *disk)
{
	struct throttle_limit before = t->limit;

	vbd_throttle_read(c, d, t, disk);
	if (!memcmp(&before, &t->limit, sizeof(before)))
		return;
	device_tell(c, d,
		    &(struct message){ .kind = MESSAGE_THROTTLE,
				       .throttle = { t->limit.iops, t->limit.bytes } });
}
