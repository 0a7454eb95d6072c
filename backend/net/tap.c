/* SPDX-License-Identifier: MIT */
/*
 * TAP interfaces.
 *
 * An interface has as many descriptors of /dev/net/tun as it has queues. What concerns
 * the whole interface is asked through the first one, or through rtnetlink by its number:
 * its name is nothing to rely on once a hotplug script knows it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest_limits.h"
#include "tap.h"

#define TUN_PATH "/dev/net/tun"

/* Linux 6.3; before it, there is a carrier for a moment. */
#ifndef IFF_NO_CARRIER
#define IFF_NO_CARRIER 0x0040
#endif

#define QUEUE_FLAGS (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)

/* Larger than any description of an interface. */
#define ANSWER_SIZE 16384

/* For another's TAP interface to go; 5 ms were seen. */
#define PATIENCE_MS 200

struct tap {
	unsigned int ifindex;
	unsigned int queues;
	int netlink;
	int fd[TAP_MAX_QUEUES];
	bool enabled[TAP_MAX_QUEUES];
};

/* ---- rtnetlink ---- */

struct question {
	struct nlmsghdr header;
	struct ifinfomsg interface;
	struct rtattr attribute;
	uint32_t value;
};

union answer {
	struct nlmsghdr header;
	char bytes[ANSWER_SIZE];
};

static struct question question(const struct tap *tap, uint16_t type, uint16_t flags)
{
	struct question q = {
		.header.nlmsg_len = NLMSG_LENGTH(sizeof(q.interface)),
		.header.nlmsg_type = type,
		.header.nlmsg_flags = NLM_F_REQUEST | flags,
		.interface.ifi_family = AF_UNSPEC,
		.interface.ifi_index = tap->ifindex,
	};

	return q;
}

/* The kernel has the answer ready when the question is sent. Returns its length, or 0
 * for an acknowledgement. */
static int ask(const struct tap *tap, const struct question *q, union answer *answer)
{
	const struct nlmsgerr *e;
	ssize_t got;

	if (send(tap->netlink, q, q->header.nlmsg_len, 0) < 0)
		return -errno;
	got = recv(tap->netlink, answer, sizeof(*answer), 0);
	if (got < 0)
		return -errno;
	if (!NLMSG_OK(&answer->header, got))
		return -EPROTO;
	if (answer->header.nlmsg_type != NLMSG_ERROR)
		return answer->header.nlmsg_len;
	e = NLMSG_DATA(&answer->header);
	return e->error;
}

/* ---- making it ---- */

static int open_queue(const char *name, short flags, int *ret_fd)
{
	struct ifreq ifr = { .ifr_flags = QUEUE_FLAGS | flags };
	int fd, err;

	fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

/* Whose interface it is: its driver, as ethtool(8) shows it. */
static bool is_tun(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };
	int fd, err;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	err = ioctl(fd, SIOCETHTOOL, &ifr);
	close(fd);
	return !err && !strcmp(info.driver, "tun");
}

static void explain(const char *name, int err, char *reason)
{
	if (err == -ENOENT || err == -ENODEV || err == -ENXIO)
		snprintf(reason, TAP_REASON_SIZE,
			 "%s: there is no " TUN_PATH "; load its module: modprobe tun",
			 name);
	else if (err == -EPERM || err == -EACCES)
		snprintf(reason, TAP_REASON_SIZE,
			 "%s: not allowed to make a TAP interface; run xenmeterd as root "
			 "or with CAP_NET_ADMIN",
			 name);
	else if (err == -EBUSY && is_tun(name))
		snprintf(reason, TAP_REASON_SIZE,
			 "%s: another program has a TAP interface of that name; is "
			 "another xenmeterd running?",
			 name);
	else if (err == -EBUSY)
		snprintf(reason, TAP_REASON_SIZE,
			 "%s: an interface of that name exists already; is xen-netback "
			 "loaded? Then: modprobe -r xen-netback",
			 name);
	else
		snprintf(reason, TAP_REASON_SIZE, "%s: cannot make a TAP interface: %s",
			 name, strerror(-err));
}

static bool is_name(const char *name)
{
	size_t length = strnlen(name, IFNAMSIZ);

	/* With % the kernel would choose a number. */
	return length && length < IFNAMSIZ && !strpbrk(name, "%/: \t\n");
}

/* The first queue; with it comes the interface. A process that was killed takes its
 * interfaces away a moment after it is gone, if a ring of it had reads under way. */
static int open_first_queue(const char *name, int *ret_fd)
{
	int err, tries = PATIENCE_MS;

	do {
		err = open_queue(name, IFF_TUN_EXCL | IFF_NO_CARRIER, ret_fd);
	} while (err == -EBUSY && is_tun(name) && tries-- && !usleep(1000));
	return err;
}

static int make(struct tap *tap, const char *name, char *reason)
{
	int err;

	err = open_first_queue(name, &tap->fd[0]);
	if (err) {
		explain(name, err, reason);
		return err;
	}
	tap->enabled[0] = true;
	tap->queues = 1;
	tap->ifindex = if_nametoindex(name);
	if (tap->ifindex)
		return 0;
	err = -errno;
	snprintf(reason, TAP_REASON_SIZE, "%s: made, but gone again: %s", name,
		 strerror(-err));
	return err;
}

static int set_address(const struct tap *tap)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	memset(ifr.ifr_hwaddr.sa_data, 0xff, 6);
	ifr.ifr_hwaddr.sa_data[0] = (char)0xfe;
	return ioctl(tap->fd[0], SIOCSIFHWADDR, &ifr) ? -errno : 0;
}

static int set_up(struct tap *tap)
{
	int header = TAP_HEADER_SIZE, little = 1, buffer = LIMIT_TAP_UNSENT;
	const struct offload_can nothing = { 0 };
	int err;

	if (ioctl(tap->fd[0], TUNSETVNETHDRSZ, &header) ||
	    ioctl(tap->fd[0], TUNSETVNETLE, &little) ||
	    ioctl(tap->fd[0], TUNSETSNDBUF, &buffer))
		return -errno;
	tap->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (tap->netlink < 0)
		return -errno;
	err = set_address(tap);
	if (!err)
		err = tap_set_carrier(tap, TAP_CARRIER_OFF);
	if (!err)
		err = tap_set_offload(tap, &nothing);
	return err;
}

int tap_open(const char *name, unsigned int queues, struct tap **ret_tap,
	     char ret_reason[TAP_REASON_SIZE])
{
	struct tap *tap;
	int err;

	if (!is_name(name)) {
		snprintf(ret_reason, TAP_REASON_SIZE,
			 "%.32s: no name for an interface; at most %d characters", name,
			 IFNAMSIZ - 1);
		return -EINVAL;
	}
	tap = calloc(1, sizeof(*tap));
	if (!tap) {
		explain(name, -ENOMEM, ret_reason);
		return -ENOMEM;
	}
	tap->netlink = -1;
	err = make(tap, name, ret_reason);
	if (err) {
		tap_close(tap);
		return err;
	}
	err = set_up(tap);
	if (!err)
		err = tap_add_queues(tap, queues);
	if (err) {
		explain(name, err, ret_reason);
		tap_close(tap);
		return err;
	}
	*ret_tap = tap;
	return 0;
}

/* ---- queues ---- */

int tap_queue_fd(const struct tap *tap, unsigned int queue)
{
	assert(queue < tap->queues);
	return tap->fd[queue];
}

unsigned int tap_queues(const struct tap *tap)
{
	return tap->queues;
}

/* Under a name that the interface has no more, the kernel would make another one. */
static int add_queue(struct tap *tap)
{
	struct ifreq now;
	int fd, err;

	if (ioctl(tap->fd[0], TUNGETIFF, &now))
		return -errno;
	err = open_queue(now.ifr_name, 0, &fd);
	if (err)
		return err;
	if (if_nametoindex(now.ifr_name) != tap->ifindex) {
		close(fd);
		return -EAGAIN;
	}
	tap->fd[tap->queues] = fd;
	tap->enabled[tap->queues++] = true;
	return 0;
}

int tap_add_queues(struct tap *tap, unsigned int queues)
{
	int err = 0;

	assert(queues && queues <= TAP_MAX_QUEUES);
	while (tap->queues < queues && !err)
		err = add_queue(tap);
	return err;
}

static int set_queue(struct tap *tap, unsigned int queue, bool enabled)
{
	struct ifreq ifr = { .ifr_flags = enabled ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	assert(queue < tap->queues);
	if (tap->enabled[queue] == enabled)
		return 0;
	if (ioctl(tap->fd[queue], TUNSETQUEUE, &ifr))
		return -errno;
	tap->enabled[queue] = enabled;
	return 0;
}

int tap_enable_queue(struct tap *tap, unsigned int queue)
{
	return set_queue(tap, queue, true);
}

int tap_disable_queue(struct tap *tap, unsigned int queue)
{
	return set_queue(tap, queue, false);
}

/* ---- the interface ---- */

int tap_set_offload(struct tap *tap, const struct offload_can *can)
{
	unsigned long flags = offload_tun_flags(can);

	return ioctl(tap->fd[0], TUNSETOFFLOAD, flags) ? -errno : 0;
}

int tap_set_carrier(struct tap *tap, enum tap_carrier carrier)
{
	int on = carrier == TAP_CARRIER_ON;

	return ioctl(tap->fd[0], TUNSETCARRIER, &on) ? -errno : 0;
}

int tap_set_mtu(struct tap *tap, uint32_t mtu)
{
	struct question q = question(tap, RTM_NEWLINK, NLM_F_ACK);
	union answer answer;
	int err;

	q.attribute.rta_type = IFLA_MTU;
	q.attribute.rta_len = RTA_LENGTH(sizeof(mtu));
	q.value = mtu;
	q.header.nlmsg_len = sizeof(q);
	err = ask(tap, &q, &answer);
	return err == -ERANGE ? -EINVAL : err;
}

/* As much of an attribute as the caller has room for. */
static void copy_attribute(const struct rtattr *a, void *to, size_t size)
{
	size_t length = RTA_PAYLOAD(a);

	memcpy(to, RTA_DATA(a), length < size ? length : size);
}

static void read_attribute(const struct rtattr *a, struct tap_state *state)
{
	struct rtnl_link_stats64 stats = { 0 };

	switch (a->rta_type) {
	case IFLA_IFNAME:
		copy_attribute(a, state->name, sizeof(state->name) - 1);
		break;
	case IFLA_MTU:
		copy_attribute(a, &state->mtu, sizeof(state->mtu));
		break;
	case IFLA_STATS64:
		copy_attribute(a, &stats, sizeof(stats));
		state->dropped = stats.tx_dropped;
		break;
	}
}

int tap_look(const struct tap *tap, struct tap_state *ret_state)
{
	struct question q = question(tap, RTM_GETLINK, 0);
	struct tap_state state = { 0 };
	const struct rtattr *a;
	union answer answer;
	int left = ask(tap, &q, &answer);

	if (left < 0)
		return left;
	if (answer.header.nlmsg_type != RTM_NEWLINK ||
	    left < (int)NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		return -EPROTO;
	a = IFLA_RTA(NLMSG_DATA(&answer.header));
	left = IFLA_PAYLOAD(&answer.header);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		read_attribute(a, &state);
	*ret_state = state;
	return 0;
}

unsigned int tap_ifindex(const struct tap *tap)
{
	return tap->ifindex;
}

/* ---- taking it away ---- */

void tap_remove(struct tap *tap)
{
	struct question q = question(tap, RTM_DELLINK, NLM_F_ACK);
	union answer answer;

	ask(tap, &q, &answer); /* someone else may have done it */
}

void tap_close(struct tap *tap)
{
	unsigned int i;

	if (!tap)
		return;
	for (i = 0; i < tap->queues; i++)
		close(tap->fd[i]);
	if (tap->netlink >= 0)
		close(tap->netlink);
	free(tap);
}
