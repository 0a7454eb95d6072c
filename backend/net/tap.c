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
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
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

/* Larger than an acknowledgement, and than an interface's statistics. */
#define ANSWER_SIZE 1024

/* Of 32 offloads each; Linux has 2 or 3. */
#define FEATURE_WORDS 8

/* For another's TAP interface to go; 5 ms were seen. */
#define PATIENCE_MS 200

struct tap {
	unsigned int ifindex;
	unsigned int queues;
	unsigned int enabled; /* the first ones */
	uint32_t length;      /* of a queue, as we set it */
	int netlink;
	int fd[TAP_MAX_QUEUES];
};

/* ---- rtnetlink ---- */

struct tap_question {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct tcmsg qdisc;
		struct if_stats_msg stats;
	};
	char attributes[RTA_SPACE(TAP_ALIAS_SIZE)];
};

union tap_answer {
	struct nlmsghdr header;
	char bytes[ANSWER_SIZE];
};

static void tap_add_attribute(struct tap_question *q, uint16_t type, const void *value,
			      size_t size)
{
	struct rtattr *a = (void *)((char *)q + NLMSG_ALIGN(q->header.nlmsg_len));

	q->header.nlmsg_len = NLMSG_ALIGN(q->header.nlmsg_len) + RTA_LENGTH(size);
	assert(q->header.nlmsg_len <= sizeof(*q));
	a->rta_type = type;
	a->rta_len = RTA_LENGTH(size);
	memcpy(RTA_DATA(a), value, size);
}

/* The kernel has the answer ready when the question is sent. Returns its length, or 0
 * for an acknowledgement. */
static int tap_ask(const struct tap *tap, const struct tap_question *q,
		   union tap_answer *answer)
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

/* A question about the interface itself. */
static struct tap_question tap_link_question(const struct tap *tap, uint16_t type)
{
	return (struct tap_question){
		.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		.header.nlmsg_type = type,
		.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.link.ifi_family = AF_UNSPEC,
		.link.ifi_index = tap->ifindex,
	};
}

static int tap_set_link(const struct tap *tap, uint16_t attribute, const void *value,
			size_t size)
{
	struct tap_question q = tap_link_question(tap, RTM_NEWLINK);
	union tap_answer answer;

	tap_add_attribute(&q, attribute, value, size);
	return tap_ask(tap, &q, &answer);
}

/* The name that it has now, by which ioctls know it in our network namespace: -EXDEV if
 * it is in another one, -ENODEV if it was deleted. */
static int tap_get_name(const struct tap *tap, struct ifreq *ret)
{
	struct ifreq ifr;

	if (ioctl(tap->fd[0], TUNGETIFF, &ifr))
		return errno == EBADFD ? -ENODEV : -errno;
	if (if_nametoindex(ifr.ifr_name) != tap->ifindex)
		return -EXDEV;
	*ret = ifr;
	return 0;
}

/* ---- making it ---- */

/* An interface of many queues would get a pfifo_fast for each of the 256 that Linux
 * makes: 6 MiB, when it goes up. It needs none, for a TAP takes a frame or drops it. */
static int tap_set_no_qdisc(const struct tap *tap)
{
	static const char kind[] = "noqueue";
	struct tap_question q = {
		.header.nlmsg_len = NLMSG_LENGTH(sizeof(q.qdisc)),
		.header.nlmsg_type = RTM_NEWQDISC,
		.header.nlmsg_flags =
			NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
		.qdisc.tcm_family = AF_UNSPEC,
		.qdisc.tcm_ifindex = tap->ifindex,
		.qdisc.tcm_parent = TC_H_ROOT,
	};
	union tap_answer answer;

	tap_add_attribute(&q, TCA_KIND, kind, sizeof(kind));
	return tap_ask(tap, &q, &answer);
}

static int tap_open_queue(const char *name, short flags, int *ret_fd)
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

/* Is it a TAP interface, too, as ethtool(8) shows its driver? Or gone meanwhile? */
static bool tap_is_other_tun(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (void *)&info };
	int fd, err;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	err = ioctl(fd, SIOCETHTOOL, &ifr) ? errno : 0;
	close(fd);
	return err == ENODEV || (!err && !strcmp(info.driver, "tun"));
}

/* Else an interface that was just made has gone, and it has the same error. */
static bool tap_has_device(void)
{
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void tap_explain(const char *name, int err, char *reason)
{
	if ((err == -ENOENT || err == -ENODEV || err == -ENXIO) && !tap_has_device())
		snprintf(reason, TAP_REASON_SIZE,
			 "%s: there is no " TUN_PATH "; load its module: modprobe tun",
			 name);
	else if (err == -ENODEV)
		snprintf(
			reason, TAP_REASON_SIZE,
			"%s: somebody removed or renamed the interface while it was made",
			name);
	else if (err == -EPERM || err == -EACCES)
		snprintf(reason, TAP_REASON_SIZE,
			 "%s: not allowed to make a TAP interface; run xenmeterd as root "
			 "or with CAP_NET_ADMIN",
			 name);
	else if (err == -EBUSY && tap_is_other_tun(name))
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

static bool tap_is_name(const char *name)
{
	size_t length = strnlen(name, IFNAMSIZ);

	/* With % the kernel would choose a number. */
	return length && length < IFNAMSIZ && !strpbrk(name, "%/: \t\n");
}

/* The first queue; with it comes the interface. A process that was killed takes its
 * interfaces away a moment after it is gone, if a ring of it had reads under way. */
static int tap_open_first_queue(const char *name, int *ret_fd)
{
	int err, tries = PATIENCE_MS;

	do {
		err = tap_open_queue(name, IFF_TUN_EXCL | IFF_NO_CARRIER, ret_fd);
	} while (err == -EBUSY && tap_is_other_tun(name) && tries-- && !usleep(1000));
	return err;
}

static int tap_create(struct tap *tap, const char *name)
{
	int err = tap_open_first_queue(name, &tap->fd[0]);

	if (err)
		return err;
	tap->queues = 1;
	tap->ifindex = if_nametoindex(name);
	return tap->ifindex ? 0 : -errno;
}

static int tap_set_address(const struct tap *tap)
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };

	memset(ifr.ifr_hwaddr.sa_data, 0xff, 6);
	ifr.ifr_hwaddr.sa_data[0] = (char)0xfe;
	return ioctl(tap->fd[0], SIOCSIFHWADDR, &ifr) ? -errno : 0;
}

static int tap_set_length(struct tap *tap, uint32_t frames)
{
	int err = tap_set_link(tap, IFLA_TXQLEN, &frames, sizeof(frames));

	if (!err)
		tap->length = frames;
	return err;
}

/* Under a name that the interface has no more, the kernel would make another one. */
static int tap_add_queue(struct tap *tap)
{
	struct ifreq now;
	int fd, err = tap_get_name(tap, &now);

	if (!err)
		err = tap_open_queue(now.ifr_name, 0, &fd);
	if (err)
		return err;
	if (if_nametoindex(now.ifr_name) != tap->ifindex) {
		close(fd);
		return -EAGAIN;
	}
	tap->fd[tap->queues++] = fd;
	return 0;
}

/* All queues are made now: in another network namespace, the name is not known here. */
static int tap_add_queues(struct tap *tap, unsigned int queues)
{
	int err = 0;

	while (tap->queues < queues && !err)
		err = tap_add_queue(tap);
	tap->enabled = tap->queues;
	return err;
}

static int tap_set_frames(const struct tap *tap)
{
	int header = TAP_HEADER_SIZE, little = 1, buffer = LIMIT_TAP_UNSENT;

	/* The buffer is that of the queues which are enabled. */
	if (ioctl(tap->fd[0], TUNSETVNETHDRSZ, &header) ||
	    ioctl(tap->fd[0], TUNSETVNETLE, &little) ||
	    ioctl(tap->fd[0], TUNSETSNDBUF, &buffer))
		return -errno;
	return 0;
}

/* No carrier, and no queue enabled. */
static int tap_set_up_queues(struct tap *tap, unsigned int queues)
{
	static const struct offload_can all = { true, true, true, true, true };
	int err = tap_set_carrier(tap, TAP_CARRIER_OFF);

	if (!err)
		err = tap_add_queues(tap, queues);
	if (!err)
		err = tap_set_frames(tap);
	if (!err)
		err = tap_enable_queues(tap, 0);
	if (!err)
		err = tap_set_offload(tap, &all);
	return err;
}

static int tap_set_up(struct tap *tap, unsigned int queues)
{
	int err = tap_set_no_qdisc(tap);

	if (!err)
		err = tap_set_length(tap, LIMIT_TAP_UNREAD);
	if (!err)
		err = tap_set_address(tap);
	if (!err)
		err = tap_set_up_queues(tap, queues);
	return err;
}

static struct tap *tap_new(void)
{
	struct tap *tap = calloc(1, sizeof(*tap));

	if (!tap)
		return NULL;
	tap->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (tap->netlink >= 0)
		return tap;
	free(tap);
	return NULL;
}

int tap_open(const char *name, unsigned int queues, struct tap **ret_tap,
	     char ret_reason[TAP_REASON_SIZE])
{
	struct tap *tap;
	int err;

	assert(queues && queues <= TAP_MAX_QUEUES);
	if (!tap_is_name(name)) {
		snprintf(ret_reason, TAP_REASON_SIZE,
			 "%.32s: no name for an interface; at most %d characters", name,
			 IFNAMSIZ - 1);
		return -EINVAL;
	}
	tap = tap_new();
	if (!tap) {
		tap_explain(name, -ENOMEM, ret_reason);
		return -ENOMEM;
	}
	err = tap_create(tap, name);
	if (!err)
		err = tap_set_up(tap, queues);
	if (err) {
		tap_explain(name, err, ret_reason);
		tap_close(tap);
		return err;
	}
	*ret_tap = tap;
	return 0;
}

/* ---- keeping it ---- */

int tap_keep(struct tap *tap, const char *alias)
{
	size_t length = strlen(alias);
	int err;

	assert(length < TAP_ALIAS_SIZE);
	err = tap_set_link(tap, IFLA_IFALIAS, alias, length);
	if (!err && ioctl(tap->fd[0], TUNSETPERSIST, 1))
		err = -errno;
	return err;
}

static int tap_queue_flags(const struct tap *tap, int fd, short *ret_flags)
{
	struct ifreq ifr;

	if (ioctl(fd, TUNGETIFF, &ifr) || if_nametoindex(ifr.ifr_name) != tap->ifindex)
		return -ENODEV;
	*ret_flags = ifr.ifr_flags;
	return 0;
}

/* The first so many are to be enabled; which is which of either kind is all the same. */
static int tap_take_queues(struct tap *tap, const int fd[], unsigned int fds)
{
	unsigned int i, last = fds;
	short flags;

	tap->queues = fds;
	memcpy(tap->fd, fd, fds * sizeof(fd[0]));
	for (i = 0; i < fds; i++)
		if (tap_queue_flags(tap, fd[i], &flags))
			return -ENODEV;
	for (i = 0; i < fds; i++) {
		if (tap_queue_flags(tap, fd[i], &flags) || flags & IFF_DETACH_QUEUE)
			tap->fd[--last] = fd[i];
		else
			tap->fd[tap->enabled++] = fd[i];
	}
	return 0;
}

/* Those of a process that was killed may be there for a moment, too. */
static int tap_renew_queues(struct tap *tap, const char *name, unsigned int queues)
{
	int err = tap_open_queue(name, 0, &tap->fd[0]);

	if (err)
		return err;
	tap->queues = 1;
	if (if_nametoindex(name) != tap->ifindex)
		return -EAGAIN;
	return tap_set_up_queues(tap, queues);
}

static uint32_t tap_read_length(const struct tap *tap)
{
	struct ifreq ifr;

	if (tap_get_name(tap, &ifr) || ioctl(tap->netlink, SIOCGIFTXQLEN, &ifr))
		return 0;
	/* Another number is an operator's, and stays. */
	if (tap->enabled && ifr.ifr_qlen == (int)(LIMIT_TAP_UNREAD / tap->enabled))
		return ifr.ifr_qlen;
	return LIMIT_TAP_UNREAD;
}

int tap_adopt(const char *name, const int fd[], unsigned int fds, unsigned int queues,
	      struct tap **ret_tap)
{
	struct tap *tap = tap_new();
	bool complete = tap && fds == queues;
	unsigned int i;
	int err = -ENOMEM;

	assert(queues && queues <= TAP_MAX_QUEUES);
	for (i = 0; !complete && i < fds; i++)
		close(fd[i]);
	if (!tap)
		return err;
	tap->ifindex = if_nametoindex(name);
	if (complete)
		err = tap_take_queues(tap, fd, fds);
	else
		err = tap_renew_queues(tap, name, queues);
	if (err) {
		tap_close(tap);
		return err;
	}
	tap->length = tap_read_length(tap);
	*ret_tap = tap;
	return 0;
}

/* ---- queues ---- */

unsigned int tap_queues(const struct tap *tap)
{
	return tap->queues;
}

unsigned int tap_enabled(const struct tap *tap)
{
	return tap->enabled;
}

unsigned int tap_number(const struct tap *tap)
{
	return tap->ifindex;
}

int tap_queue_fd(const struct tap *tap, unsigned int queue)
{
	assert(queue < tap->queues);
	return tap->fd[queue];
}

static int tap_switch_queue(const struct tap *tap, unsigned int queue, short flag)
{
	struct ifreq ifr = { .ifr_flags = flag };

	return ioctl(tap->fd[queue], TUNSETQUEUE, &ifr) ? -errno : 0;
}

/* An operator who has set another length keeps it. */
static void tap_share_length(struct tap *tap)
{
	struct ifreq ifr;

	if (!tap->enabled || tap_get_name(tap, &ifr) ||
	    ioctl(tap->netlink, SIOCGIFTXQLEN, &ifr) || ifr.ifr_qlen != (int)tap->length)
		return;
	tap_set_length(tap, LIMIT_TAP_UNREAD / tap->enabled);
}

int tap_enable_queues(struct tap *tap, unsigned int count)
{
	int err = 0;

	assert(count <= tap->queues);
	while (tap->enabled < count && !err) {
		err = tap_switch_queue(tap, tap->enabled, IFF_ATTACH_QUEUE);
		tap->enabled += !err;
	}
	while (tap->enabled > count && !err) {
		err = tap_switch_queue(tap, tap->enabled - 1, IFF_DETACH_QUEUE);
		tap->enabled -= !err;
	}
	tap_share_length(tap);
	return err;
}

/* ---- the interface ---- */

/* struct ethtool_gfeatures and ethtool_sfeatures, with room. */
struct tap_features {
	uint32_t command, words;
	struct ethtool_get_features_block word[FEATURE_WORDS];
};

struct tap_choice {
	uint32_t command, words;
	struct ethtool_set_features_block word[FEATURE_WORDS];
};

static int tap_ethtool(const struct tap *tap, void *command)
{
	struct ifreq ifr;
	int err = tap_get_name(tap, &ifr);

	if (err)
		return err;
	ifr.ifr_data = command;
	return ioctl(tap->netlink, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* What somebody wants to be on is wanted again. */
static int tap_want_again(const struct tap *tap, const struct tap_features *was)
{
	struct tap_choice c = { .command = ETHTOOL_SFEATURES, .words = was->words };
	uint32_t i;

	for (i = 0; i < was->words; i++) {
		c.word[i].valid = was->word[i].available;
		c.word[i].requested = was->word[i].requested;
	}
	return tap_ethtool(tap, &c);
}

/* The kernel has two sets, what the guest takes and what is wanted; an offload that is in
 * both is on. TUNSETOFFLOAD sets both, and so undoes a choice made by ethtool(8). */
int tap_set_offload(struct tap *tap, const struct offload_can *can)
{
	struct tap_features wanted = { ETHTOOL_GFEATURES, FEATURE_WORDS, { { 0 } } };
	bool known = !tap_ethtool(tap, &wanted) && wanted.words <= FEATURE_WORDS;
	unsigned long flags = offload_tun_flags(can);

	if (ioctl(tap->fd[0], TUNSETOFFLOAD, flags))
		return -errno;
	return known ? tap_want_again(tap, &wanted) : 0;
}

int tap_set_carrier(struct tap *tap, enum tap_carrier carrier)
{
	int on = carrier == TAP_CARRIER_ON;

	return ioctl(tap->fd[0], TUNSETCARRIER, &on) ? -errno : 0;
}

int tap_set_mtu(struct tap *tap, uint32_t mtu)
{
	int err = tap_set_link(tap, IFLA_MTU, &mtu, sizeof(mtu));

	return err == -ERANGE ? -EINVAL : err;
}

bool tap_is_deleted(const struct tap *tap)
{
	struct ifreq ifr;

	return tap_get_name(tap, &ifr) == -ENODEV;
}

int tap_count_dropped(const struct tap *tap, uint64_t *ret_dropped)
{
	struct tap_question q = {
		.header.nlmsg_len = NLMSG_LENGTH(sizeof(q.stats)),
		.header.nlmsg_type = RTM_GETSTATS,
		.header.nlmsg_flags = NLM_F_REQUEST,
		.stats.ifindex = tap->ifindex,
		.stats.filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64),
	};
	struct rtnl_link_stats64 stats;
	const struct rtattr *a;
	union tap_answer answer;
	int length = tap_ask(tap, &q, &answer);

	if (length == -ENODEV)
		return tap_is_deleted(tap) ? -ENODEV : -EXDEV;
	if (length < 0)
		return length;
	a = (void *)(answer.bytes + NLMSG_LENGTH(sizeof(struct if_stats_msg)));
	length -= NLMSG_LENGTH(sizeof(struct if_stats_msg));
	if (answer.header.nlmsg_type != RTM_NEWSTATS || !RTA_OK(a, length) ||
	    a->rta_type != IFLA_STATS_LINK_64 || RTA_PAYLOAD(a) < sizeof(stats))
		return -EPROTO;
	memcpy(&stats, RTA_DATA(a), sizeof(stats));
	*ret_dropped = stats.tx_dropped;
	return 0;
}

/* ---- taking it away ---- */

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

void tap_delete(struct tap *tap)
{
	struct tap_question q;
	union tap_answer answer;
	struct ifreq ifr;

	if (!tap)
		return;
	q = tap_link_question(tap, RTM_DELLINK);
	/* Its number means another one where it was moved to another namespace: there it
	 * goes with its last descriptor. */
	if (tap_get_name(tap, &ifr) || tap_ask(tap, &q, &answer))
		ioctl(tap->fd[0], TUNSETPERSIST, 0);
	tap_close(tap);
}
