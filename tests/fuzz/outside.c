/* SPDX-License-Identifier: MIT */
/*
 * What guests and the toolstack do to the store, by their keys and values.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "guest_limits.h"
#include "outside.h"
#include "store.h"

#define FILE_FD	  200 /* a disk that is a file */
#define FILE_SIZE (1 << 20)

struct place {
	const char *kind;
	unsigned int domid, devid;
};

static struct input *in;

/* ---- names and values ---- */

static const char *const frontend_keys[] = {
	"state",
	"protocol",
	"feature-persistent",
	"ring-page-order",
	"num-ring-pages",
	"multi-queue-num-queues",
	"event-channel",
	"ring-ref",
	"ring-ref0",
	"ring-ref1",
	"ring-ref15",
	"tx-ring-ref",
	"rx-ring-ref",
	"event-channel-tx",
	"event-channel-rx",
	"request-rx-copy",
	"feature-rx-notify",
	"feature-sg",
	"feature-gso-tcpv4",
	"feature-gso-tcpv6",
	"feature-no-csum-offload",
	"feature-ipv6-csum-offload",
	"request-multicast-control",
	"xdp-headroom",
	"ctrl-ring-ref",
	"event-channel-ctrl",
};

static const char *const backend_keys[] = {
	"state",       "online",	 "params", "physical-device-path",
	"script",      "mode",		 "cache",  "discard-enable",
	"device-type", "removable",	 "type",   "handle",
	"mtu",	       "hotplug-status", "rate",   "null-frame",
	"domain",      "frontend",	 "iops",   "bytes",
	"ioprio",
};

/* What is opened is never left to chance. */
static const char *const targets[] = {
	"null:64M",
	"null:512",
	"null:0",
	"null:99999999999999999999T",
	"null:1000",
	"null:",
	"/proc/self/fd/200",
	"/sys/kernel/uevent_seqnum",
	"/nonexistent/disk",
	"/",
	"",
};

static const char *const values[] = {
	"1",
	"0",
	"2",
	"3",
	"4",
	"5",
	"6",
	"7",
	"8",
	"9",
	"16",
	"99",
	"-1",
	"",
	" 1",
	"0x10",
	"65535",
	"4294967295",
	"4294967296",
	"18446744073709551616",
	"x86_32-abi",
	"x86_64-abi",
	"w",
	"r",
	"w!",
	"connected",
	"none",
	"writeback",
	"cdrom",
	"null",
	"10000,50000",
	"idle",
	"best-effort,7",
	"1,0",
	"%s%n",
	"/local/domain/1/device/vbd/0",
	"/local/domain/2/device/vif/1",
	"/local/domain/0/backend/vbd/1/0",
};

#define PICK(list) list[input_8(in) % (sizeof(list) / sizeof(list[0]))]

static struct place pick_place(void)
{
	static const char *const kinds[] = { "vbd", "vif", "vbd3" };
	uint8_t which = input_8(in);

	return (struct place){ kinds[which % 3], 1 + which / 3 % OUTSIDE_DOMAINS,
			       which / 9 % 2 };
}

static void name_frontend(const struct place *p, char path[128])
{
	snprintf(path, 128, "/local/domain/%u/device/%s/%u", p->domid,
		 p->kind[1] == 'i' ? "vif" : "vbd", p->devid);
}

static void put(const char *dir, const char *name, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	store_put(path, value, strlen(value));
}

static void put_number(const char *dir, const char *name, unsigned int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	put(dir, name, text);
}

/* One of those above, any bytes, or a long one. */
static void put_any(const char *dir, const char *name)
{
	uint8_t how = input_8(in);
	char path[256], bytes[LIMIT_XENSTORE_VALUE + 2];
	size_t size = how % 32;

	if (how < 160) {
		put(dir, name, PICK(values));
		return;
	}
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (how < 224) {
		input_bytes(in, bytes, size);
	} else {
		size = LIMIT_XENSTORE_VALUE - 1 + how % 3;
		memset(bytes, '7', size);
	}
	store_put(path, bytes, size);
}

/* ---- guests ---- */

static void guest_writes(const struct place *p)
{
	uint8_t queue = input_8(in);
	const char *key = PICK(frontend_keys);
	char dir[128], name[64];

	name_frontend(p, dir);
	if (queue & 1)
		snprintf(name, sizeof(name), "queue-%u/%s", queue / 2 % 9, key);
	else
		snprintf(name, sizeof(name), "%s", key);
	put_any(dir, name);
}

static void share_queue(const char *dir, unsigned int pages)
{
	char name[32];
	unsigned int i;

	put(dir, "tx-ring-ref", "8");
	put(dir, "rx-ring-ref", "9");
	put(dir, "event-channel", "3");
	for (i = 0; i < pages; i++) {
		snprintf(name, sizeof(name), "ring-ref%u", i);
		put_number(dir, name, 10 + i);
	}
}

/* All that a frontend of either kind needs. */
static void share_all(const struct place *p, unsigned int queues, unsigned int pages)
{
	char dir[128], queue[160];
	unsigned int i;

	name_frontend(p, dir);
	put(dir, "request-rx-copy", "1");
	put(dir, "protocol", "x86_64-abi");
	put_number(dir, "num-ring-pages", pages);
	put_number(dir, "multi-queue-num-queues", queues);
	if (queues == 1)
		share_queue(dir, pages);
	for (i = 0; i < queues && queues > 1; i++) {
		snprintf(queue, sizeof(queue), "%s/queue-%u", dir, i);
		share_queue(queue, pages);
	}
}

static void guest_connects(const struct place *p)
{
	static const unsigned int pages[] = { 1, 2, LIMIT_RING_PAGES,
					      2 * LIMIT_RING_PAGES };
	uint8_t how = input_8(in);
	char dir[128];

	name_frontend(p, dir);
	share_all(p, 1 + how % 4, pages[how / 4 % 4]);
	put(dir, "feature-persistent", how & 16 ? "1" : "0");
	put(dir, "state", how & 32 ? "3" : "4");
}

static void guest_removes(const struct place *p)
{
	char dir[128], path[160];
	uint8_t all = input_8(in);

	name_frontend(p, dir);
	snprintf(path, sizeof(path), "%s/%s", dir, PICK(frontend_keys));
	store_remove(all & 1 ? dir : path);
}

static void guest_storms(const struct place *p)
{
	unsigned int times = 300 * (1 + input_8(in) % 4);
	char dir[128];

	name_frontend(p, dir);
	while (times-- && store.events < STORE_MAX_EVENTS / 4)
		put(dir, "state", "4");
}

static void guest_sets_state(const struct place *p)
{
	char dir[128];

	name_frontend(p, dir);
	put_number(dir, "state", input_8(in) % 10);
}

/* ---- the toolstack ---- */

static void name_backend(const struct place *p, char path[64])
{
	snprintf(path, 64, "backend/%s/%u/%u", p->kind, p->domid, p->devid);
}

/* To be written last. */
static void begin_device(const char *dir, const char *frontend)
{
	put(frontend, "state", "1");
	put(dir, "frontend", frontend);
	put(dir, "state", "1");
}

static void toolstack_adds(const struct place *p)
{
	uint8_t how = input_8(in);
	char dir[64], frontend[128];

	name_backend(p, dir);
	name_frontend(p, frontend);
	if (how & 1)
		put(dir, "script", "block");
	if (how & 2)
		put(dir, "type", "null");
	put(dir, "online", how & 4 ? "0" : "1");
	put(dir, "mode", how & 8 ? "r" : "w");
	put(dir, "domain", "a guest");
	put(dir, "params", PICK(targets));
	begin_device(dir, frontend);
	if ((how & 0x30) == 0x30)
		put_any(dir, "frontend");
}

/* Where it can be read, the toolstack keeps it in the guest's home. */
static void rename_guest(const struct place *p)
{
	char home[64];

	snprintf(home, sizeof(home), "/local/domain/%u", p->domid);
	if (p->domid != OUTSIDE_DOMAINS)
		put_any(home, "name");
}

static void toolstack_writes(const struct place *p)
{
	const char *key = PICK(backend_keys);
	char dir[64];

	name_backend(p, dir);
	if (!strcmp(key, "params") || !strcmp(key, "physical-device-path"))
		put(dir, key, PICK(targets));
	else
		put_any(dir, key);
	if (!strcmp(key, "domain"))
		rename_guest(p);
}

/* What is no device of ours, or hardly one. */
static void toolstack_strays(const struct place *p)
{
	static const char *const strays[] = {
		"backend",
		"backend/vbd",
		"backend/vbd/1",
		"backend/vbd/x/0",
		"backend/vbd/-1/0",
		"backend/vbd/01/0",
		"backend/vif/1/0/0/0",
		"backend/vif/1/0x",
		"backend/vif/99999999999/0",
		"backend/qdisk/1/0",
		"backend/long-kind/1/0",
	};

	const char *dir = PICK(strays);

	(void)p;
	put_any(dir, PICK(backend_keys));
}

/* Of the device, its kind, its guest, all of them; or of one key. */
static void toolstack_removes(const struct place *p)
{
	char path[128];

	name_backend(p, path);
	switch (input_8(in) % 5) {
	case 0:
		snprintf(path + strlen(path), 64, "/%s", PICK(backend_keys));
		break;
	case 1:
		snprintf(path, sizeof(path), "backend/%s/%u", p->kind, p->domid);
		break;
	case 2:
		snprintf(path, sizeof(path), "backend/%s", p->kind);
		break;
	case 3:
		snprintf(path, sizeof(path), "backend");
		break;
	}
	store_remove(path);
}

/* And its number is another's at once. The third domain's home cannot be read. */
static void destroy(unsigned int domid)
{
	char home[64], vm[64];

	snprintf(home, sizeof(home), "/local/domain/%u", domid);
	store_remove(home);
	if (domid == OUTSIDE_DOMAINS)
		return;
	snprintf(vm, sizeof(vm), "/vm/01234567-89ab-cdef-0123-4567%02x%06x", input_8(in),
		 domid);
	put(home, "vm", vm);
	put(home, "name", "guest");
}

static void toolstack_destroys(const struct place *p)
{
	destroy(p->domid);
}

static void disk_is_resized(const struct place *p)
{
	(void)p;
	MUST(!ftruncate(FILE_FD, FILE_SIZE + input_8(in) % 4 * 512));
}

/* ---- an honest guest ---- */

static const struct place honest[] = { { "vbd", 1, 0 }, { "vif", 2, 1 } };

#define HONEST (sizeof(honest) / sizeof(honest[0]))

void outside_honest(void)
{
	char dir[64], frontend[128];
	size_t i;

	for (i = 0; i < HONEST; i++) {
		name_backend(&honest[i], dir);
		name_frontend(&honest[i], frontend);
		store_remove(frontend);
		put(dir, "params", "null:64M");
		put(dir, "mode", "w");
		begin_device(dir, frontend);
		share_all(&honest[i], 2, 1);
		put(frontend, "state", "4");
	}
}

bool outside_honest_connected(void)
{
	char path[80];
	size_t i;

	for (i = 0; i < HONEST; i++) {
		name_backend(&honest[i], path);
		strcat(path, "/state");
		if (!store_is(path, "4"))
			return false;
	}
	return true;
}

/* ---- what happens ---- */

void outside_act(struct input *input)
{
	static void (*const acts[])(const struct place *p) = {
		guest_writes,	    guest_sets_state, guest_connects,	guest_removes,
		guest_storms,	    toolstack_adds,   toolstack_writes, toolstack_removes,
		toolstack_destroys, disk_is_resized,  toolstack_strays,
	};
	uint8_t which = input_8(input);
	struct place p;

	in = input;
	p = pick_place();
	acts[which % (sizeof(acts) / sizeof(acts[0]))](&p);
}

void outside_begin(struct input *input)
{
	unsigned int domid;

	in = input;
	if (ftruncate(FILE_FD, FILE_SIZE)) {
		int fd = memfd_create("disk", MFD_CLOEXEC);

		MUST(fd >= 0 && dup2(fd, FILE_FD) == FILE_FD && !close(fd));
		MUST(!ftruncate(FILE_FD, FILE_SIZE));
	}
	for (domid = 1; domid <= OUTSIDE_DOMAINS; domid++)
		destroy(domid);
}
