/* SPDX-License-Identifier: MIT */
/*
 * simxl: devices, with the nodes, permissions and order of libxl 4.17.
 *
 * The toolstack remembers a device under /libxl/<domid>/device, which no guest
 * can reach, so that it can be found when the frontend's directory is gone.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "simxl.h"

#define KEYS_MAX     48
#define VALUE_MAX    1024
#define POLL_US	     5000
#define STATE_CLOSED 6
#define MTU_DEFAULT  "1500" /* libxl writes another one for the backend, too */

struct keys {
	uint32_t nr;
	struct {
		char key[64];
		char value[VALUE_MAX];
	} list[KEYS_MAX];
};

struct paths {
	char front[128];
	char back[128];
	char libxl[128];
};

/**
 * struct device - a device to attach
 * @front_kind: its directory's name at the frontend
 * @back_kind: likewise at the backend
 * @front_fixed: keys of the frontend that it may only read
 * @set: keys for the backend, over those that we would write
 * @after: keys that the hotplug script would write
 */
struct device {
	struct tool tool;
	uint32_t domid;
	uint32_t backend;
	uint32_t devid;
	const char *front_kind;
	const char *back_kind;
	struct keys front;
	struct keys front_fixed;
	struct keys back;
	struct keys set;
	struct keys after;
	struct paths at;
};

struct options {
	const char *mode;
	const char *kind;
	const char *backend;
	const char *type;
	const char *mac;
	const char *bridge;
	const char *mtu;
	int no_script;
	struct keys *set;
};

static int key_set(struct keys *keys, const char *key, const char *value)
{
	uint32_t i;

	if (strlen(key) >= sizeof(keys->list[0].key) || strlen(value) >= VALUE_MAX)
		return complain("'%s=%s' is too long", key, value);
	for (i = 0; i < keys->nr && strcmp(keys->list[i].key, key); i++)
		;
	if (i == KEYS_MAX)
		return complain("too many keys");
	strcpy(keys->list[i].key, key);
	strcpy(keys->list[i].value, value);
	if (i == keys->nr)
		keys->nr++;
	return 0;
}

static void key_setu(struct keys *keys, const char *key, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	key_set(keys, key, text);
}

static int key_parse(struct keys *keys, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text) {
		complain("'%s' is not KEY=VALUE", text);
		return EXIT_USAGE;
	}
	*equals = '\0';
	return key_set(keys, text, equals + 1) ? EXIT_USAGE : 0;
}

/* xvdN: disks up to xvdp have the old numbers, later ones the extended form. */
static int vdev_parse(const char *text, uint32_t *ret_devid)
{
	uint32_t disk = 0;
	long number;

	if (strncmp(text, "xvd", 3)) {
		if (parse_number(text, &number) || number < 0 || number >= 1L << 29)
			return EXIT_USAGE;
		*ret_devid = number;
		return 0;
	}
	for (text += 3; *text >= 'a' && *text <= 'z' && disk < 1u << 20; text++)
		disk = disk * 26 + (*text - 'a' + 1);
	if (*text || !disk || --disk >= 1u << 20) {
		complain("a virtual device is xvda, xvdb... or a number");
		return EXIT_USAGE;
	}
	*ret_devid = disk < 16 ? 202 << 8 | disk << 4 : 1 << 28 | disk << 8;
	return 0;
}

static int options_parse(int argc, char **argv, struct options *ret_options)
{
	static const struct option options[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "kind", required_argument, NULL, 'k' },
		{ "backend", required_argument, NULL, 'b' },
		{ "type", required_argument, NULL, 't' },
		{ "set", required_argument, NULL, 's' },
		{ "mac", required_argument, NULL, 'M' },
		{ "bridge", required_argument, NULL, 'B' },
		{ "mtu", required_argument, NULL, 'u' },
		{ "no-script", no_argument, NULL, 'n' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			ret_options->mode = optarg;
			break;
		case 'k':
			ret_options->kind = optarg;
			break;
		case 'b':
			ret_options->backend = optarg;
			break;
		case 't':
			ret_options->type = optarg;
			break;
		case 'M':
			ret_options->mac = optarg;
			break;
		case 'B':
			ret_options->bridge = optarg;
			break;
		case 'u':
			ret_options->mtu = optarg;
			break;
		case 'n':
			ret_options->no_script = 1;
			break;
		case 's':
			if (key_parse(ret_options->set, optarg))
				return EXIT_USAGE;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	return 0;
}

static void device_paths(struct device *dev)
{
	snprintf(dev->at.front, sizeof(dev->at.front), "/local/domain/%u/device/%s/%u",
		 dev->domid, dev->front_kind, dev->devid);
	snprintf(dev->at.back, sizeof(dev->at.back), "/local/domain/%u/backend/%s/%u/%u",
		 dev->backend, dev->back_kind, dev->domid, dev->devid);
	snprintf(dev->at.libxl, sizeof(dev->at.libxl), "/libxl/%u/device/%s/%u",
		 dev->domid, dev->front_kind, dev->devid);
}

static int keys_put(struct device *dev, xs_transaction_t tx, const char *path,
		    const struct keys *keys)
{
	for (uint32_t i = 0; i < keys->nr; i++) {
		if (!node_put(&dev->tool, tx, path, keys->list[i].key,
			      keys->list[i].value))
			return 0;
	}
	return 1;
}

/* Keys of the toolstack's in a directory of the guest's. */
static int fixed_put(struct device *dev, xs_transaction_t tx)
{
	struct xs_permissions perms[3] = {
		{ .id = 0, .perms = XS_PERM_NONE },
		{ .id = dev->domid, .perms = XS_PERM_READ },
		{ .id = dev->backend, .perms = XS_PERM_READ },
	};
	char path[PATH_MAX];

	if (!keys_put(dev, tx, dev->at.front, &dev->front_fixed))
		return 0;
	for (uint32_t i = 0; i < dev->front_fixed.nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", dev->at.front,
			 dev->front_fixed.list[i].key);
		if (!xs_set_permissions(dev->tool.xs, tx, path, perms,
					dev->backend ? 3 : 2))
			return 0;
	}
	return 1;
}

static int device_fill(struct device *dev, xs_transaction_t tx)
{
	struct tool *tool = &dev->tool;

	return node_make(tool, tx, dev->at.libxl, 0, 0) &&
	       node_put(tool, tx, dev->at.libxl, "frontend", dev->at.front) &&
	       node_put(tool, tx, dev->at.libxl, "backend", dev->at.back) &&
	       keys_put(dev, tx, dev->at.libxl, &dev->back) &&
	       node_make(tool, tx, dev->at.front, dev->domid, dev->backend) &&
	       node_put(tool, tx, dev->at.front, "backend", dev->at.back) &&
	       keys_put(dev, tx, dev->at.front, &dev->front) && fixed_put(dev, tx) &&
	       node_make(tool, tx, dev->at.back, dev->backend, dev->domid) &&
	       node_put(tool, tx, dev->at.back, "frontend", dev->at.front) &&
	       keys_put(dev, tx, dev->at.back, &dev->back);
}

static int device_exists(struct device *dev)
{
	char *frontend = node_readf(&dev->tool, "%s/frontend", dev->at.libxl);

	free(frontend);
	return frontend != NULL;
}

static int device_write(struct device *dev)
{
	struct xs_handle *xs = dev->tool.xs;

	for (;;) {
		xs_transaction_t tx = xs_transaction_start(xs);

		if (tx == XBT_NULL)
			return complain("cannot start a transaction: %s",
					strerror(errno));
		/* Leftovers of a device that had the same number. */
		xs_rm(xs, tx, dev->at.front);
		xs_rm(xs, tx, dev->at.back);
		if (!device_fill(dev, tx)) {
			complain("cannot write the device's nodes: %s", strerror(errno));
			xs_transaction_end(xs, tx, true);
			return 1;
		}
		if (xs_transaction_end(xs, tx, false))
			return 0;
		if (errno != EAGAIN)
			return complain("cannot commit: %s", strerror(errno));
	}
}

static int device_attach(struct device *dev)
{
	for (uint32_t i = 0; i < dev->set.nr; i++) {
		if (key_set(&dev->back, dev->set.list[i].key, dev->set.list[i].value))
			return 1;
	}
	device_paths(dev);
	if (device_exists(dev))
		return complain("domain %u has a %s %u already", dev->domid,
				dev->front_kind, dev->devid);
	if (device_write(dev))
		return 1;
	if (!keys_put(dev, XBT_NULL, dev->at.back, &dev->after))
		return complain("cannot write in %s: %s", dev->at.back, strerror(errno));
	return 0;
}

/* libxl's disk, backend phy: libxl__device_disk_add() of 4.17. */
static int disk_keys(struct device *dev, const struct options *options, const char *vdev,
		     const char *target)
{
	int cdrom = !strcmp(options->type, "cdrom");
	struct keys *back = &dev->back, *front = &dev->front;

	key_setu(back, "frontend-id", dev->domid);
	key_set(back, "online", "1");
	key_set(back, "removable", cdrom ? "1" : "0");
	key_set(back, "bootable", "1");
	key_set(back, "state", "1");
	key_set(back, "dev", vdev);
	key_set(back, "type", "phy");
	key_set(back, "mode", options->mode);
	key_set(back, "device-type", options->type);
	key_set(back, "discard-enable", strcmp(options->mode, "w") ? "0" : "1");
	key_set(back, "specification", "xen");
	key_set(back, "script", "/etc/xen/scripts/block-xenmeter");
	key_setu(front, "backend-id", dev->backend);
	key_set(front, "state", "1");
	key_setu(front, "virtual-device", dev->devid);
	key_set(front, "device-type", options->type);
	key_set(front, "trusted", "1");
	if (key_set(back, "params", target))
		return 1;
	if (options->no_script)
		return 0;
	key_set(&dev->after, "physical-device-path", target);
	return key_set(&dev->after, "hotplug-status", "connected");
}

static int device_begin(struct device *dev, const struct options *options,
			const char *domain)
{
	if (parse_domid(&dev->tool, domain, &dev->domid))
		return 1;
	if (!sim_domain_live(dev->tool.host, dev->domid))
		return complain("domain %u is dead", dev->domid);
	return options->backend ? parse_domid(&dev->tool, options->backend, &dev->backend)
				: 0;
}

static int one_of(const char *text, const char *a, const char *b)
{
	if (!strcmp(text, a) || !strcmp(text, b))
		return 1;
	complain("'%s' is neither %s nor %s", text, a, b);
	return 0;
}

/**
 * cmd_block_attach() - a disk for a domain
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_block_attach(int argc, char **argv)
{
	static struct device dev = { .front_kind = "vbd" };
	struct options options = {
		.mode = "w", .kind = "vbd", .type = "disk", .set = &dev.set
	};
	int err = options_parse(argc, argv, &options);

	argv += optind;
	if (err || argc - optind != 3 || !one_of(options.mode, "r", "w") ||
	    !one_of(options.kind, "vbd", "vbd3") ||
	    !one_of(options.type, "disk", "cdrom") || vdev_parse(argv[1], &dev.devid))
		return EXIT_USAGE;
	if (tool_open(&dev.tool))
		return 1;
	dev.back_kind = options.kind;
	err = device_begin(&dev, &options, argv[0]);
	if (!err)
		err = disk_keys(&dev, &options, argv[1], argv[2]);
	if (!err)
		err = device_attach(&dev);
	tool_close(&dev.tool);
	return err;
}

/* libxl's vif: libxl__set_xenstore_nic() of 4.17. An empty hotplug-status makes the
 * backend wait for the script. */
static void vif_keys(struct device *dev, const struct options *options)
{
	struct keys *back = &dev->back, *front = &dev->front;
	char mac[32];

	snprintf(mac, sizeof(mac), "00:16:3e:%02x:%02x:%02x", dev->domid >> 8 & 0x7f,
		 dev->domid & 0xff, dev->devid & 0xff);
	key_setu(back, "frontend-id", dev->domid);
	key_set(back, "online", "1");
	key_set(back, "state", "1");
	key_set(back, "script", "/etc/xen/scripts/vif-bridge");
	key_set(back, "mac", options->mac ? options->mac : mac);
	key_set(back, "bridge", options->bridge ? options->bridge : "xenbr0");
	key_setu(back, "handle", dev->devid);
	key_set(back, "type", "vif");
	key_set(back, "hotplug-status", "");
	key_setu(front, "backend-id", dev->backend);
	key_set(front, "state", "1");
	key_setu(front, "handle", dev->devid);
	key_set(front, "mac", options->mac ? options->mac : mac);
	key_set(front, "trusted", "1");
	key_set(&dev->front_fixed, "mtu", options->mtu);
	if (strcmp(options->mtu, MTU_DEFAULT))
		key_set(back, "mtu", options->mtu);
	if (!options->no_script)
		key_set(&dev->after, "hotplug-status", "connected");
}

/**
 * cmd_vif_attach() - a network interface for a domain
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_vif_attach(int argc, char **argv)
{
	static struct device dev = { .front_kind = "vif", .back_kind = "vif" };
	struct options options = { .set = &dev.set, .mtu = MTU_DEFAULT };
	int err = options_parse(argc, argv, &options);
	long devid, mtu;

	argv += optind;
	if (err || argc - optind != 2 || parse_number(argv[1], &devid) || devid < 0 ||
	    devid > UINT16_MAX || parse_number(options.mtu, &mtu))
		return EXIT_USAGE;
	if (tool_open(&dev.tool))
		return 1;
	dev.devid = devid;
	err = device_begin(&dev, &options, argv[0]);
	if (!err) {
		vif_keys(&dev, &options);
		err = device_attach(&dev);
	}
	tool_close(&dev.tool);
	return err;
}

static int state_read(struct tool *tool, const char *path)
{
	char *text = node_readf(tool, "%s/state", path);
	int state = text ? atoi(text) : -1;

	free(text);
	return state;
}

/* Until the state is reached; @gone: a vanished directory will do as well. */
static int state_wait(struct tool *tool, const char *path, int want, int gone,
		      double seconds)
{
	long tries = seconds * 1000000 / POLL_US;

	for (;;) {
		int state = state_read(tool, path);

		if (state == want || (gone && state < 0))
			return 0;
		if (tries-- <= 0)
			return 1;
		usleep(POLL_US);
	}
}

static void backend_close(struct tool *tool, const char *back_path)
{
	for (;;) {
		xs_transaction_t tx = xs_transaction_start(tool->xs);
		char path[PATH_MAX], *state;
		unsigned int len;

		snprintf(path, sizeof(path), "%s/state", back_path);
		state = xs_read(tool->xs, tx, path, &len);
		if (state && atoi(state) != STATE_CLOSED) {
			node_put(tool, tx, back_path, "online", "0");
			node_put(tool, tx, back_path, "state", "5");
		}
		free(state);
		if (xs_transaction_end(tool->xs, tx, false) || errno != EAGAIN)
			return;
	}
}

/* Begin to take a device away: its paths, as the toolstack remembers them. */
static int device_find(struct tool *tool, uint32_t domid, const char *kind,
		       const char *devid, struct paths *ret_at)
{
	char *front, *back;

	snprintf(ret_at->libxl, sizeof(ret_at->libxl), "/libxl/%u/device/%s/%s", domid,
		 kind, devid);
	front = node_readf(tool, "%s/frontend", ret_at->libxl);
	back = node_readf(tool, "%s/backend", ret_at->libxl);
	if (front && back) {
		snprintf(ret_at->front, sizeof(ret_at->front), "%s", front);
		snprintf(ret_at->back, sizeof(ret_at->back), "%s", back);
	}
	free(front);
	free(back);
	return front && back ? 0 : complain("domain %u has no %s %s", domid, kind, devid);
}

/* Remove a directory, and those above it that it leaves empty. */
static void path_cleanup(struct tool *tool, const char *path)
{
	char above[128];
	unsigned int nr = 0;

	snprintf(above, sizeof(above), "%s", path);
	while (!nr && strrchr(above, '/') != above) {
		char **names;

		xs_rm(tool->xs, XBT_NULL, above);
		*strrchr(above, '/') = '\0';
		names = xs_directory(tool->xs, XBT_NULL, above, &nr);
		if (!names)
			return;
		free(names);
	}
}

/* Second half: wait for the backend and remove what is left. */
static int device_finish(struct tool *tool, const struct paths *at)
{
	int late = state_wait(tool, at->back, STATE_CLOSED, 1, WAIT_SECONDS);

	if (late)
		complain("%s did not close within %d s: its state is %d", at->back,
			 WAIT_SECONDS, state_read(tool, at->back));
	path_cleanup(tool, at->front);
	path_cleanup(tool, at->back);
	path_cleanup(tool, at->libxl);
	return late;
}

static int device_detach(const char *domain, const char *kind, uint32_t devid)
{
	struct paths at = { 0 };
	char number[16];
	struct tool tool;
	uint32_t domid;
	int err;

	if (tool_open(&tool))
		return 1;
	snprintf(number, sizeof(number), "%u", devid);
	err = parse_domid(&tool, domain, &domid);
	if (!err)
		err = device_find(&tool, domid, kind, number, &at);
	if (!err) {
		backend_close(&tool, at.back);
		err = device_finish(&tool, &at);
	}
	tool_close(&tool);
	return err;
}

/**
 * cmd_block_detach() - take a disk away
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_block_detach(int argc, char **argv)
{
	uint32_t devid;

	if (argc != 3 || vdev_parse(argv[2], &devid))
		return EXIT_USAGE;
	return device_detach(argv[1], "vbd", devid);
}

/**
 * cmd_vif_detach() - take a network interface away
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_vif_detach(int argc, char **argv)
{
	long devid;

	if (argc != 3 || parse_number(argv[2], &devid) || devid < 0 || devid > UINT16_MAX)
		return EXIT_USAGE;
	return device_detach(argv[1], "vif", devid);
}

static char **list(struct tool *tool, uint32_t domid, const char *kind,
		   unsigned int *ret_nr)
{
	char path[64];

	*ret_nr = 0;
	snprintf(path, sizeof(path), "/libxl/%u/device/%s", domid, kind);
	return xs_directory(tool->xs, XBT_NULL, path, ret_nr);
}

static int kind_destroy(struct tool *tool, uint32_t domid, const char *kind)
{
	unsigned int nr;
	char **devids = list(tool, domid, kind, &nr);
	struct paths *at = calloc(nr + 1, sizeof(*at));
	int err = 0;

	if (!at)
		abort();
	for (unsigned int i = 0; i < nr; i++) {
		if (!device_find(tool, domid, kind, devids[i], &at[i]))
			backend_close(tool, at[i].back);
	}
	for (unsigned int i = 0; i < nr; i++) {
		if (*at[i].back)
			err |= device_finish(tool, &at[i]);
	}
	free(devids);
	free(at);
	return err;
}

/**
 * devices_destroy() - take all devices of a dead domain away
 * @tool: the tool
 * @domid: the domain
 *
 * Return: 0, or 1 after complaints about backends that did not close.
 */
int devices_destroy(struct tool *tool, uint32_t domid)
{
	return kind_destroy(tool, domid, "vbd") | kind_destroy(tool, domid, "vif");
}

struct wait {
	const char *kind;
	uint32_t devid;
	int back;
	long state;
	double seconds;
};

static int wait_parse(int argc, char **argv, struct wait *ret_wait)
{
	int net = argc > 2 && !strncmp(argv[2], "vif:", 4);
	char *end = "";

	if (argc < 5 || argc > 6 || parse_number(argv[4], &ret_wait->state) ||
	    !one_of(argv[3], "front", "back"))
		return EXIT_USAGE;
	ret_wait->kind = net ? "vif" : "vbd";
	ret_wait->back = !strcmp(argv[3], "back");
	ret_wait->seconds = argc == 6 ? strtod(argv[5], &end) : WAIT_SECONDS;
	if (*end || ret_wait->seconds < 0)
		return EXIT_USAGE;
	return vdev_parse(argv[2] + (net ? 4 : 0), &ret_wait->devid);
}

static int wait_run(struct tool *tool, const char *domain, const struct wait *wait)
{
	struct paths at = { 0 };
	const char *path;
	char number[16];
	uint32_t domid;
	int err = parse_domid(tool, domain, &domid);

	snprintf(number, sizeof(number), "%u", wait->devid);
	if (!err)
		err = device_find(tool, domid, wait->kind, number, &at);
	if (err)
		return err;
	path = wait->back ? at.back : at.front;
	if (!state_wait(tool, path, wait->state, 0, wait->seconds))
		return 0;
	return complain("%s is in state %d after %g s, not %ld", path,
			state_read(tool, path), wait->seconds, wait->state);
}

/**
 * cmd_wait_state() - wait for one side's state
 * @argc: number of arguments, with the command
 * @argv: the arguments
 *
 * Return: an exit code.
 */
int cmd_wait_state(int argc, char **argv)
{
	struct wait wait;
	struct tool tool;
	int err = wait_parse(argc, argv, &wait);

	if (err)
		return err;
	if (tool_open(&tool))
		return 1;
	err = wait_run(&tool, argv[1], &wait);
	tool_close(&tool);
	return err;
}
