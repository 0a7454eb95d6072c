/* SPDX-License-Identifier: MIT */
/*
 * A TAP interface, in a network namespace of the test's own: what is made, what the host
 * sees of what a guest sends, and what a guest gets of what the host sends. The host's
 * end is a packet socket, which shows and takes offload headers, too.
 */
#include "check.h"
#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <xen/io/netif.h>

#include "guest_limits.h"
#include "segment.h"
#include "tap.h"

#define NAME	 "vif7.0"
#define ROOM	 (TAP_HEADER_SIZE + 65536)
#define WAIT_MS	 2000
#define QUIET_MS 50

static const struct offload_can everything = { true, true, true, true, true };
static const struct offload_can nothing;

/* ---- the host ---- */

static void interface_ioctl(unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_EQ(ioctl(fd, request, ifr), 0);
	close(fd);
}

static struct ifreq named(const char *name)
{
	struct ifreq ifr = { 0 };

	memcpy(ifr.ifr_name, name, strlen(name));
	return ifr;
}

static short flags_of(const char *name)
{
	struct ifreq ifr = named(name);

	interface_ioctl(SIOCGIFFLAGS, &ifr);
	return ifr.ifr_flags;
}

static int mtu_of(const char *name)
{
	struct ifreq ifr = named(name);

	interface_ioctl(SIOCGIFMTU, &ifr);
	return ifr.ifr_mtu;
}

static void set_up(const char *name)
{
	struct ifreq ifr = named(name);

	ifr.ifr_flags = flags_of(name) | IFF_UP;
	interface_ioctl(SIOCSIFFLAGS, &ifr);
}

/* Asked so, the kernel does first what it would do a little later; the flags, which
 * ip-link(8) shows, then say the same. */
static bool has_carrier(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GLINK };
	struct ifreq ifr = named(name);

	ifr.ifr_data = (void *)&value;
	interface_ioctl(SIOCETHTOOL, &ifr);
	CHECK_EQ(!!(flags_of(name) & IFF_RUNNING), value.data);
	return value.data;
}

static struct tap *open_tap(unsigned int queues)
{
	char reason[TAP_REASON_SIZE] = "";
	struct tap *tap = NULL;
	int err = tap_open(NAME, queues, &tap, reason);

	if (err)
		fprintf(stderr, "%s\n", reason);
	CHECK_EQ(err, 0);
	return tap;
}

/* As the hotplug script and the handshake leave it. */
static struct tap *open_running_tap(unsigned int queues, const struct offload_can *can)
{
	struct tap *tap = open_tap(queues);

	CHECK_EQ(tap_enable_queues(tap, queues), 0);
	CHECK_EQ(tap_set_offload(tap, can), 0);
	CHECK_EQ(tap_set_carrier(tap, TAP_CARRIER_ON), 0);
	set_up(NAME);
	return tap;
}

static int open_packet(void)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(NAME),
	};
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_EQ(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	/* What the host sends itself it does not see. */
	CHECK_EQ(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)),
		 0);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* ---- frames with their headers: on a queue, and on the packet socket ---- */

/* Return: whether it was taken; else it was dropped. */
static bool try_put(int fd, const struct virtio_net_hdr *h, const struct frame *f)
{
	static uint8_t bytes[ROOM];
	size_t size = TAP_HEADER_SIZE + f->length;

	memcpy(bytes, h, TAP_HEADER_SIZE);
	memcpy(bytes + TAP_HEADER_SIZE, f->bytes, f->length);
	if (write(fd, bytes, size) == (ssize_t)size)
		return true;
	CHECK_EQ(errno, ENOBUFS);
	return false;
}

static void put(int fd, const struct virtio_net_hdr *h, const struct frame *f)
{
	CHECK(try_put(fd, h, f));
}

/* Return: whether one came. */
static bool get_within(int fd, struct virtio_net_hdr *h, struct frame *f, int ms)
{
	static uint8_t bytes[ROOM];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t got;

	if (!poll(&p, 1, ms))
		return false;
	got = read(fd, bytes, sizeof(bytes));
	CHECK(got >= (ssize_t)TAP_HEADER_SIZE);
	memcpy(h, bytes, TAP_HEADER_SIZE);
	f->length = got - TAP_HEADER_SIZE;
	memcpy(f->bytes, bytes + TAP_HEADER_SIZE, f->length);
	return true;
}

static void get(int fd, struct virtio_net_hdr *h, struct frame *f)
{
	CHECK(get_within(fd, h, f, WAIT_MS));
}

static void same_bytes(const struct frame *is, const struct frame *should)
{
	CHECK_EQ(is->length, should->length);
	CHECK_EQ(memcmp(is->bytes, should->bytes, is->length), 0);
}

static void put_ipv4_length(struct frame *f)
{
	uint16_t sum;

	frame_put16(f->bytes + 16, f->length - 14);
	frame_put16(f->bytes + 24, 0);
	sum = ~frame_sum(f->bytes + 14, 20, 0);
	frame_put16(f->bytes + 24, sum);
}

/* A frame as a guest with checksum offload sends it: the pseudo header is in place. */
static void make_tcp4(struct frame *f, size_t payload)
{
	frame_ethernet(f, ETH_P_IP);
	frame_ipv4(f, IPPROTO_TCP, "192.0.2.1", "192.0.2.2");
	frame_tcp(f, 1000, 2000);
	f->bytes[34 + 13] = 0x10; /* ACK */
	frame_payload(f, payload);
	put_ipv4_length(f);
	frame_put16(f->bytes + 50,
		    frame_pseudo(f->bytes + 14, IPPROTO_TCP, f->length - 34));
}

static void make_tcp6(struct frame *f, size_t payload)
{
	frame_ethernet(f, ETH_P_IPV6);
	frame_ipv6(f, IPPROTO_TCP, "2001:db8::1", "2001:db8::2");
	frame_tcp(f, 1000, 2000);
	f->bytes[54 + 13] = 0x10;
	frame_payload(f, payload);
	frame_put16(f->bytes + 18, f->length - 54);
	frame_put16(f->bytes + 70,
		    frame_pseudo(f->bytes + 14, IPPROTO_TCP, f->length - 54));
}

static void make_udp4(struct frame *f, uint16_t port, size_t payload)
{
	frame_ethernet(f, ETH_P_IP);
	frame_ipv4(f, IPPROTO_UDP, "192.0.2.1", "192.0.2.2");
	frame_udp(f, port, 2000);
	frame_payload(f, payload);
	frame_put16(f->bytes + 38, f->length - 34);
	put_ipv4_length(f);
	frame_put16(f->bytes + 40,
		    frame_pseudo(f->bytes + 14, IPPROTO_UDP, f->length - 34));
}

static void make_plain(struct frame *f, size_t length)
{
	frame_ethernet(f, 0x88b5); /* for experiments */
	frame_payload(f, length - f->length);
}

/* ---- made and taken away ---- */

static void it_is_made_as_the_script_wants_it(void)
{
	static const uint8_t address[6] = { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct ifreq ifr = named(NAME);
	struct tap *tap = open_tap(1);
	CHECK_EQ(flags_of(NAME) & (IFF_UP | IFF_RUNNING), 0);
	interface_ioctl(SIOCGIFHWADDR, &ifr);
	CHECK_EQ(memcmp(ifr.ifr_hwaddr.sa_data, address, 6), 0);
	CHECK_EQ(mtu_of(NAME), 1500);
	CHECK_EQ(fcntl(tap_queue_fd(tap, 0), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	CHECK_EQ(fcntl(tap_queue_fd(tap, 0), F_GETFD), FD_CLOEXEC);
	tap_close(tap);
	CHECK_EQ(if_nametoindex(NAME), 0);
	tap_close(NULL);
}

static void refused(const char *name, int err, const char *says)
{
	struct tap *tap = (void *)1;
	char reason[TAP_REASON_SIZE] = "";
	int before = check_descriptors();

	CHECK_EQ(tap_open(name, 1, &tap, reason), err);
	CHECK(tap == (void *)1);
	if (!strstr(reason, says))
		fprintf(stderr, "\"%s\" says nothing of \"%s\"\n", reason, says);
	CHECK(strstr(reason, says));
	CHECK(!strchr(reason, '\n'));
	CHECK_EQ(check_descriptors(), before);
}

static void names_are_exact(void)
{
	refused("", -EINVAL, "no name for an interface");
	refused("vif%d", -EINVAL, "no name for an interface");
	refused("vif1/0", -EINVAL, "no name for an interface");
	refused("vif 1", -EINVAL, "no name for an interface");
	refused("vif1000000000000", -EINVAL, "at most 15 characters");
	refused("..", -EINVAL, "..");
}

static void a_name_in_use_is_refused(void)
{
	struct tap *tap = open_tap(1);
	struct ifreq bridge = named("vif8.0");

	refused(NAME, -EBUSY, "is another xenmeterd running");
	tap_close(tap);
	interface_ioctl(SIOCBRADDBR, (struct ifreq *)bridge.ifr_name);
	refused("vif8.0", -EBUSY, "is xen-netback loaded");
	interface_ioctl(SIOCBRDELBR, (struct ifreq *)bridge.ifr_name);
}

/* In a process of its own, which gives up what it needs. */
static void in_a_child(void (*test)(void))
{
	pid_t child = fork();
	int status;

	if (!child) {
		test();
		exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

static void without_rights(void)
{
	CHECK_EQ(setuid(65534), 0);
	refused(NAME, -EPERM, "CAP_NET_ADMIN");
}

static void without_the_device(void)
{
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	/* In a chroot / need not be where something is mounted. */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		CHECK_EQ(mount("none", "/dev", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("none", "/dev/net", "tmpfs", 0, NULL), 0);
	refused(NAME, -ENOENT, "modprobe tun");
}

/* Stands before libc's: the name that a lookup does not find. */
static const char *unknown;

unsigned int if_nametoindex(const char *name)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found;

	CHECK(fd >= 0);
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	found = !(unknown && !strcmp(name, unknown)) && !ioctl(fd, SIOCGIFINDEX, &ifr);
	close(fd);
	errno = ENODEV;
	return found ? (unsigned int)ifr.ifr_ifindex : 0;
}

/* It was once said that there was no /dev/net/tun. */
static void one_that_goes_at_once_is_called_that(void)
{
	unknown = NAME;
	refused(NAME, -ENODEV, "somebody removed or renamed");
	unknown = NULL;
}

static void it_is_known_by_its_number(void)
{
	struct tap *tap = open_tap(1);
	struct ifreq ifr = named(NAME);
	uint64_t dropped;

	memcpy(ifr.ifr_newname, "guest0", 7);
	interface_ioctl(SIOCSIFNAME, &ifr);
	CHECK_EQ(tap_count_dropped(tap, &dropped), 0);
	CHECK_EQ(if_nametoindex(NAME), 0);
	CHECK_EQ(tap_set_mtu(tap, 9000), 0);
	CHECK_EQ(mtu_of("guest0"), 9000);
	tap_close(tap);
	CHECK_EQ(if_nametoindex("guest0"), 0);
}

static void mtus_are_linux_own(void)
{
	struct tap *tap = open_tap(1);

	CHECK_EQ(tap_set_mtu(tap, 68), 0);
	CHECK_EQ(tap_set_mtu(tap, 67), -EINVAL);
	CHECK_EQ(tap_set_mtu(tap, 65521), 0); /* a frame is 65535 bytes then */
	CHECK_EQ(tap_set_mtu(tap, 65522), -EINVAL);
	CHECK_EQ(tap_set_mtu(tap, UINT32_MAX), -EINVAL);
	CHECK_EQ(mtu_of(NAME), 65521);
	tap_close(tap);
}

static void the_carrier_is_seen(void)
{
	struct tap *tap = open_tap(4);

	set_up(NAME);
	CHECK_EQ(tap_set_carrier(tap, TAP_CARRIER_ON), -EPERM);
	CHECK_EQ(tap_enable_queues(tap, 1), 0);
	CHECK(!has_carrier(NAME));
	CHECK_EQ(tap_set_carrier(tap, TAP_CARRIER_ON), 0);
	CHECK(has_carrier(NAME));
	CHECK_EQ(tap_enable_queues(tap, 2), 0);
	CHECK(has_carrier(NAME));
	CHECK_EQ(tap_set_carrier(tap, TAP_CARRIER_OFF), 0);
	CHECK(!has_carrier(NAME));
	CHECK_EQ(tap_enable_queues(tap, 4), 0);
	CHECK(!has_carrier(NAME));
	tap_close(tap);
}

/* ---- guest to host ---- */

static void from_guest(int queue, int host, const struct offload_marks *marks,
		       struct frame *f, struct virtio_net_hdr *seen)
{
	struct virtio_net_hdr h;
	struct frame got;

	CHECK_EQ(offload_transmit(marks, f->bytes, f->length, f->length, &h),
		 OFFLOAD_VALID);
	put(queue, &h, f);
	get(host, seen, &got);
	same_bytes(&got, f);
}

static void frames_of_the_guest_appear(void)
{
	static const size_t lengths[] = { 14, 15, 60, 128, 1514, 4096, 9014, 65535 };
	const struct offload_marks none = { 0 }, valid = { .data_validated = true };
	struct tap *tap = open_running_tap(2, &everything);
	int host = open_packet();
	struct virtio_net_hdr seen;
	struct frame f;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		make_plain(&f, lengths[i]);
		from_guest(tap_queue_fd(tap, i & 1), host, &none, &f, &seen);
		CHECK_EQ(seen.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
		CHECK_EQ(seen.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		from_guest(tap_queue_fd(tap, i & 1), host, &valid, &f, &seen);
		CHECK_EQ(seen.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
	}
	close(host);
	tap_close(tap);
}

static void marks_of_the_guest_appear(void)
{
	struct offload_marks blank = { .csum_blank = true, .data_validated = true };
	struct tap *tap = open_running_tap(1, &nothing);
	int queue = tap_queue_fd(tap, 0), host = open_packet();
	struct virtio_net_hdr seen;
	struct frame f;

	make_udp4(&f, 1000, 1000);
	from_guest(queue, host, &blank, &f, &seen);
	CHECK_EQ(seen.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(seen.csum_start, 34);
	CHECK_EQ(seen.csum_offset, 6);
	make_tcp6(&f, 1000);
	from_guest(queue, host, &blank, &f, &seen);
	CHECK_EQ(seen.csum_start, 54);
	CHECK_EQ(seen.csum_offset, 16);
	close(host);
	tap_close(tap);
}

static void long_segments_of_the_guest_appear(void)
{
	struct offload_marks v4 = { true, true, XEN_NETIF_GSO_TYPE_TCPV4, 1448 };
	struct offload_marks v6 = { false, false, XEN_NETIF_GSO_TYPE_TCPV6, 1428 };
	struct tap *tap = open_running_tap(1, &nothing);
	int queue = tap_queue_fd(tap, 0), host = open_packet();
	struct virtio_net_hdr seen;
	struct frame f;

	make_tcp4(&f, 65535 - 54);
	from_guest(queue, host, &v4, &f, &seen);
	CHECK_EQ(seen.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	CHECK_EQ(seen.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	CHECK_EQ(seen.gso_size, 1448);
	make_tcp6(&f, 65535 - 74);
	from_guest(queue, host, &v6, &f, &seen);
	CHECK_EQ(seen.gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
	CHECK_EQ(seen.gso_size, 1428);
	close(host);
	tap_close(tap);
}

/* ---- host to guest ---- */

static struct virtio_net_hdr needs(size_t start, size_t offset, uint8_t gso_type,
				   uint16_t gso_size)
{
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = start,
		.csum_offset = offset,
		.gso_type = gso_type,
		.gso_size = gso_size,
		.hdr_len = gso_size ? start + 20 : 0,
	};

	return h;
}

static void to_guest(int queue, const struct offload_can *can, struct frame *f,
		     struct offload_marks *m)
{
	struct virtio_net_hdr h;

	get(queue, &h, f);
	CHECK_EQ(offload_receive(&h, can, f->bytes, f->length, m), OFFLOAD_VALID);
}

static void is_right(const struct frame *f, size_t start, uint8_t protocol)
{
	uint16_t pseudo = frame_pseudo(f->bytes + 14, protocol, f->length - start);

	CHECK_EQ(frame_sum(f->bytes + start, f->length - start, pseudo), 0xffff);
}

static void long_segments_reach_the_guest_whole(void)
{
	struct tap *tap = open_running_tap(1, &everything);
	int queue = tap_queue_fd(tap, 0), host = open_packet();
	struct virtio_net_hdr h = needs(34, 16, VIRTIO_NET_HDR_GSO_TCPV4, 1448);
	struct offload_marks m;
	struct frame f, got;

	make_tcp4(&f, 65535 - 54);
	put(host, &h, &f);
	to_guest(queue, &everything, &got, &m);
	same_bytes(&got, &f);
	CHECK(m.csum_blank && m.data_validated);
	CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_TCPV4);
	CHECK_EQ(m.gso_size, 1448);
	h = needs(54, 16, VIRTIO_NET_HDR_GSO_TCPV6, 1428);
	make_tcp6(&f, 65535 - 74);
	put(host, &h, &f);
	to_guest(queue, &everything, &got, &m);
	same_bytes(&got, &f);
	CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_TCPV6);
	CHECK_EQ(m.gso_size, 1428);
	close(host);
	tap_close(tap);
}

/* All of its payload comes, in segments with right checksums. */
static void segments_come(int queue, const struct offload_can *can, size_t start,
			  const struct frame *whole, size_t size)
{
	size_t done, header = start + 20;

	for (done = 0; done < whole->length - header; done += size) {
		size_t left = whole->length - header - done;
		struct offload_marks m;
		struct frame got;

		to_guest(queue, can, &got, &m);
		CHECK_EQ(m.gso_type, XEN_NETIF_GSO_TYPE_NONE);
		CHECK(!m.csum_blank);
		CHECK_EQ(got.length - header, left < size ? left : size);
		CHECK_EQ(memcmp(got.bytes + header, whole->bytes + header + done,
				got.length - header),
			 0);
		is_right(&got, start, IPPROTO_TCP);
	}
}

static void who_takes_nothing_gets_finished_segments(void)
{
	struct tap *tap = open_running_tap(1, &nothing);
	int queue = tap_queue_fd(tap, 0), host = open_packet();
	struct virtio_net_hdr h = needs(34, 16, VIRTIO_NET_HDR_GSO_TCPV4, 1448);
	struct frame f;

	make_tcp4(&f, 60000);
	put(host, &h, &f);
	segments_come(queue, &nothing, 34, &f, 1448);
	h = needs(54, 16, VIRTIO_NET_HDR_GSO_TCPV6, 1428);
	make_tcp6(&f, 60000);
	put(host, &h, &f);
	segments_come(queue, &nothing, 54, &f, 1428);
	close(host);
	tap_close(tap);
}

/* IPv4 alone: its checksums are left blank; those of IPv6 come blank, too, are filled in
 * here, and its segments are cut by the kernel. */
static void who_takes_one_version_gets_the_other_finished(void)
{
	const struct offload_can v4 = { .checksum_v4 = true,
					.scatter = true,
					.gso_v4 = true };
	struct tap *tap = open_running_tap(1, &v4);
	int queue = tap_queue_fd(tap, 0), host = open_packet();
	struct virtio_net_hdr h = needs(34, 16, 0, 0), raw;
	struct offload_marks m;
	struct frame f, got;

	make_tcp4(&f, 1001);
	put(host, &h, &f);
	to_guest(queue, &v4, &got, &m);
	CHECK(m.csum_blank);
	same_bytes(&got, &f);
	h = needs(54, 16, 0, 0);
	make_tcp6(&f, 1001);
	put(host, &h, &f);
	get(queue, &raw, &got);
	CHECK_EQ(raw.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	same_bytes(&got, &f);
	CHECK_EQ(offload_receive(&raw, &v4, got.bytes, got.length, &m), OFFLOAD_VALID);
	CHECK(!m.csum_blank);
	is_right(&got, 54, IPPROTO_TCP);
	h = needs(54, 16, VIRTIO_NET_HDR_GSO_TCPV6, 1428);
	make_tcp6(&f, 30001);
	put(host, &h, &f);
	segments_come(queue, &v4, 54, &f, 1428);
	close(host);
	tap_close(tap);
}

/* The kernel cuts it; and what it does not cut, we cut: the bytes are the same. */
static void pieces_are_as_the_kernel_cuts_them(const struct frame *whole, size_t start,
					       uint8_t type)
{
	struct virtio_net_hdr h = needs(start, 16, type, 1400);
	struct tap *tap = open_running_tap(1, &everything);
	int queue = tap_queue_fd(tap, 0), host = open_packet();
	struct segments s;
	struct frame f, kernels, ours;

	put(host, &h, whole);
	get(queue, &h, &f);
	same_bytes(&f, whole);
	CHECK(segments_begin(&h, f.bytes, f.length, &s));
	CHECK_EQ(tap_set_offload(tap, &nothing), 0);
	h = needs(start, 16, type, 1400);
	put(host, &h, whole);
	while ((ours.length = segments_next(&s, ours.bytes, start + 20 + 1400))) {
		get(queue, &h, &kernels);
		CHECK_EQ(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		same_bytes(&ours, &kernels);
	}
	CHECK(!get_within(queue, &h, &kernels, QUIET_MS));
	close(host);
	tap_close(tap);
}

static void our_pieces_are_the_kernels(void)
{
	struct frame f;

	make_tcp4(&f, 14000);
	frame_put16(f.bytes + 18, 0xfffc); /* the number of the packet wraps */
	f.bytes[34 + 13] = 0xff;	   /* all flags */
	memset(f.bytes + 34 + 4, 0xff, 4); /* the number of the byte, too */
	put_ipv4_length(&f);
	pieces_are_as_the_kernel_cuts_them(&f, 34, VIRTIO_NET_HDR_GSO_TCPV4);
	make_tcp4(&f, 65535 - 54);
	pieces_are_as_the_kernel_cuts_them(&f, 34, VIRTIO_NET_HDR_GSO_TCPV4);
	make_tcp6(&f, 65535 - 74);
	f.bytes[54 + 13] = 0x39;
	pieces_are_as_the_kernel_cuts_them(&f, 54, VIRTIO_NET_HDR_GSO_TCPV6);
	make_tcp6(&f, 14001);
	pieces_are_as_the_kernel_cuts_them(&f, 54, VIRTIO_NET_HDR_GSO_TCPV6);
}

static void offload_changes_while_it_runs(void)
{
	struct tap *tap = open_running_tap(1, &nothing);
	int queue = tap_queue_fd(tap, 0), host = open_packet();
	struct virtio_net_hdr h = needs(34, 16, VIRTIO_NET_HDR_GSO_TCPV4, 1448);
	struct offload_marks m;
	struct frame f, got;
	int i;

	make_tcp4(&f, 20000);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(tap_set_offload(tap, &everything), 0);
		put(host, &h, &f);
		to_guest(queue, &everything, &got, &m);
		same_bytes(&got, &f);
		CHECK_EQ(tap_set_offload(tap, &nothing), 0);
		put(host, &h, &f);
		segments_come(queue, &nothing, 34, &f, 1448);
	}
	close(host);
	tap_close(tap);
}

static void ethtool(uint32_t command, uint32_t value, uint32_t expected)
{
	struct ethtool_value v = { .cmd = command, .data = value };
	struct ifreq ifr = named(NAME);

	ifr.ifr_data = (void *)&v;
	interface_ioctl(SIOCETHTOOL, &ifr);
	CHECK_EQ(v.data, expected);
}

/* What a frontend takes once undid what an operator had turned off. */
static void what_an_operator_turned_off_stays_off(void)
{
	struct tap *tap = open_running_tap(1, &everything);

	ethtool(ETHTOOL_GTXCSUM, 0, 1);
	ethtool(ETHTOOL_GTSO, 0, 1);
	ethtool(ETHTOOL_STSO, 0, 0);
	CHECK_EQ(tap_set_offload(tap, &nothing), 0);
	ethtool(ETHTOOL_GTXCSUM, 0, 0);
	CHECK_EQ(tap_set_offload(tap, &everything), 0);
	ethtool(ETHTOOL_GTXCSUM, 0, 1);
	ethtool(ETHTOOL_GTSO, 0, 0);
	CHECK_EQ(tap_set_offload(tap, &nothing), 0);
	ethtool(ETHTOOL_STSO, 1, 1);
	ethtool(ETHTOOL_GTSO, 0, 0); /* the guest does not take it */
	CHECK_EQ(tap_set_offload(tap, &everything), 0);
	ethtool(ETHTOOL_GTSO, 0, 1);
	ethtool(ETHTOOL_STXCSUM, 0, 0);
	CHECK_EQ(tap_set_offload(tap, &everything), 0);
	ethtool(ETHTOOL_GTXCSUM, 0, 0);
	ethtool(ETHTOOL_GTSO, 0, 0); /* it needs checksums */
	tap_close(tap);
	tap = open_tap(1);
	ethtool(ETHTOOL_GTXCSUM, 0, 1); /* everything is offered at the start */
	ethtool(ETHTOOL_GTSO, 0, 1);
	tap_close(tap);
}

/* ---- queues ---- */

#define FLOWS 64

static void send_flows(int host)
{
	const struct virtio_net_hdr none = { 0 };
	struct frame f;
	int i;

	for (i = 0; i < FLOWS; i++) {
		make_udp4(&f, 5000 + i, 10);
		put(host, &none, &f);
	}
}

/* How many frames each queue has, in all FLOWS different ones. */
static void count_flows(const struct tap *tap, unsigned int queues, unsigned int count[])
{
	bool came[FLOWS] = { false };
	unsigned int i, sum = 0;

	for (i = 0; i < queues; i++) {
		struct virtio_net_hdr h;
		struct frame f;

		count[i] = 0;
		while (get_within(tap_queue_fd(tap, i), &h, &f, QUIET_MS)) {
			unsigned int flow = (f.bytes[34] << 8 | f.bytes[35]) - 5000;

			CHECK(flow < FLOWS);
			CHECK(!came[flow]);
			came[flow] = true;
			count[i]++;
			sum++;
		}
	}
	CHECK_EQ(sum, FLOWS);
}

static void flows_are_spread_over_enabled_queues(void)
{
	struct tap *tap = open_running_tap(4, &nothing);
	static const unsigned int enabled[] = { 4, 1, 3, 2, 2, 4 };
	int host = open_packet();
	unsigned int count[4], i, k;

	for (i = 0; i < sizeof(enabled) / sizeof(enabled[0]); i++) {
		CHECK_EQ(tap_enable_queues(tap, enabled[i]), 0);
		send_flows(host);
		count_flows(tap, 4, count);
		for (k = 0; k < 4; k++)
			CHECK_EQ(count[k] > 0, k < enabled[i]);
	}
	close(host);
	tap_close(tap);
}

static void what_waits_in_a_disabled_queue_is_dropped(void)
{
	struct tap *tap = open_running_tap(2, &nothing);
	int host = open_packet();
	struct virtio_net_hdr h;
	struct frame f;

	send_flows(host);
	CHECK_EQ(tap_enable_queues(tap, 0), 0);
	CHECK_EQ(tap_enable_queues(tap, 2), 0);
	CHECK(!get_within(tap_queue_fd(tap, 0), &h, &f, QUIET_MS));
	CHECK(!get_within(tap_queue_fd(tap, 1), &h, &f, 0));
	close(host);
	tap_close(tap);
}

static void a_disabled_queue_still_sends(void)
{
	const struct offload_marks none = { 0 };
	struct tap *tap = open_running_tap(2, &nothing);
	int host = open_packet();
	struct virtio_net_hdr seen;
	struct frame f;

	CHECK_EQ(tap_enable_queues(tap, 0), 0);
	make_plain(&f, 100);
	from_guest(tap_queue_fd(tap, 0), host, &none, &f, &seen);
	close(host);
	tap_close(tap);
}

static uint64_t dropped(const struct tap *tap)
{
	uint64_t dropped;

	CHECK_EQ(tap_count_dropped(tap, &dropped), 0);
	return dropped;
}

/* Each frame that nobody has room for is counted, and no other. Who sends it is told. */
static void what_nobody_reads_is_counted(void)
{
	const struct virtio_net_hdr none = { 0 };
	struct tap *tap = open_running_tap(1, &nothing);
	int i, kept = 0, host = open_packet();
	struct virtio_net_hdr h;
	struct frame f;

	make_plain(&f, 60);
	for (i = 0; i < 1500; i++)
		CHECK_EQ(try_put(host, &none, &f), i < LIMIT_TAP_UNREAD);
	while (get_within(tap_queue_fd(tap, 0), &h, &f, 0))
		kept++;
	CHECK_EQ(kept, LIMIT_TAP_UNREAD);
	CHECK_EQ(dropped(tap), 1500 - kept);
	CHECK_EQ(tap_enable_queues(tap, 0), 0);
	CHECK(!try_put(host, &none, &f)); /* no queue at all */
	CHECK_EQ(dropped(tap), 1501 - kept);
	close(host);
	tap_close(tap);
}

/* ---- reads under way in a ring ---- */

#define CHAIN  16
#define CANCEL 1000

static void open_ring(struct io_uring *ring)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN };
	int err = io_uring_queue_init_params(64, ring, &p);

	if (err == -EINVAL) /* before Linux 6.1 */
		err = io_uring_queue_init(64, ring, 0);
	if (err) {
		fprintf(stderr, "no io_uring here: %s\n", strerror(-err));
		exit(CHECK_SKIP);
	}
}

static void start_chain(struct io_uring *ring, int fd)
{
	static uint8_t bytes[CHAIN][2048];
	int i;

	for (i = 0; i < CHAIN; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		io_uring_prep_read(sqe, fd, bytes[i], sizeof(bytes[i]), 0);
		sqe->user_data = i;
		if (i < CHAIN - 1)
			sqe->flags |= IOSQE_IO_HARDLINK;
	}
	CHECK_EQ(io_uring_submit(ring), CHAIN);
}

static bool next_completion(struct io_uring *ring, int ms, uint64_t *ret_data, int *ret)
{
	struct __kernel_timespec ts = { .tv_sec = ms / 1000,
					.tv_nsec = ms % 1000 * 1000000 };
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe_timeout(ring, &cqe, &ts))
		return false;
	*ret_data = cqe->user_data;
	*ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return true;
}

static void completes(struct io_uring *ring, uint64_t should_data, int should)
{
	uint64_t data;
	int result;

	CHECK(next_completion(ring, WAIT_MS, &data, &result));
	CHECK_EQ(data, should_data);
	CHECK_EQ(result, should);
}

static void is_quiet(struct io_uring *ring)
{
	uint64_t data;
	int result;

	CHECK(!next_completion(ring, QUIET_MS, &data, &result));
}

static void cancel(struct io_uring *ring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
	sqe->user_data = CANCEL;
	CHECK_EQ(io_uring_submit(ring), 1);
}

/* Cancel until all reads from @next on have ended, one after the other. A cancellation
 * ends one, or none: if it comes before the next one waits. */
static int cancel_chain(struct io_uring *ring, int fd, int next)
{
	int result, cancellations = 0;
	uint64_t data;

	while (next < CHAIN) {
		cancel(ring, fd);
		CHECK(++cancellations < 1000);
		while (next_completion(ring, 1, &data, &result)) {
			if (data == CANCEL) {
				CHECK(result == 0 || result == 1);
				continue;
			}
			CHECK_EQ(data, next);
			CHECK_EQ(result, -ECANCELED);
			next++;
		}
	}
	return cancellations;
}

/* A hard link is not broken by an error: each cancellation ends one read. */
static void a_chain_is_cancelled_read_by_read(void)
{
	const struct virtio_net_hdr none = { 0 };
	struct tap *tap = open_running_tap(1, &nothing);
	int i, host = open_packet(), fd = tap_queue_fd(tap, 0);
	struct io_uring ring;
	struct frame f;

	open_ring(&ring);
	start_chain(&ring, fd);
	is_quiet(&ring);
	make_plain(&f, 60);
	for (i = 0; i < 3; i++) {
		put(host, &none, &f);
		completes(&ring, i, TAP_HEADER_SIZE + 60);
	}
	is_quiet(&ring);
	CHECK_EQ(tap_enable_queues(tap, 0), 0);
	is_quiet(&ring);
	CHECK(cancel_chain(&ring, fd, 3) >= CHAIN - 3);
	is_quiet(&ring);
	io_uring_queue_exit(&ring);
	close(host);
	tap_close(tap);
	CHECK_EQ(if_nametoindex(NAME), 0);
}

/* As ip-link(8) does. */
static void remove_link(void)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} q = {
		.header.nlmsg_len = sizeof(q),
		.header.nlmsg_type = RTM_DELLINK,
		.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		.link.ifi_index = if_nametoindex(NAME),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	char answer[1024];

	CHECK(fd >= 0);
	CHECK_EQ(send(fd, &q, sizeof(q), 0), sizeof(q));
	CHECK(recv(fd, answer, sizeof(answer), 0) > 0);
	close(fd);
}

static void removing_ends_a_chain_at_once(void)
{
	struct tap *tap = open_running_tap(2, &nothing);
	int i, fd = tap_queue_fd(tap, 0), disabled = tap_queue_fd(tap, 1);
	struct io_uring ring;
	uint8_t byte[100];

	open_ring(&ring);
	CHECK_EQ(tap_enable_queues(tap, 1), 0);
	start_chain(&ring, fd);
	is_quiet(&ring);
	remove_link();
	CHECK_EQ(if_nametoindex(NAME), 0);
	for (i = 0; i < CHAIN; i++)
		completes(&ring, i, -EBADFD);
	CHECK(read(disabled, byte, sizeof(byte)) < 0 && errno == EBADFD);
	CHECK(write(fd, byte, sizeof(byte)) < 0 && errno == EBADFD);
	io_uring_queue_exit(&ring);
	tap_close(tap);
}

/* A daemon that is killed and started again at once. */
static void a_killed_process_is_waited_for(void)
{
	struct tap *tap;
	int ready[2];
	pid_t child;
	char byte;

	CHECK_EQ(pipe(ready), 0);
	child = fork();
	if (!child) {
		struct io_uring ring;

		tap = open_running_tap(1, &nothing);
		open_ring(&ring);
		start_chain(&ring, tap_queue_fd(tap, 0));
		CHECK_EQ(write(ready[1], "", 1), 1);
		pause();
	}
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	tap = open_tap(1);
	tap_close(tap);
	close(ready[0]);
	close(ready[1]);
}

static void what_someone_removed_is_missed(void)
{
	struct tap *tap = open_tap(1);
	uint64_t dropped = 7;

	CHECK(!tap_is_deleted(tap));
	remove_link();
	CHECK(tap_is_deleted(tap));
	CHECK_EQ(tap_count_dropped(tap, &dropped), -ENODEV);
	CHECK_EQ(dropped, 7);
	CHECK_EQ(tap_set_mtu(tap, 1400), -ENODEV);
	CHECK_EQ(tap_set_carrier(tap, TAP_CARRIER_ON), -EBADFD);
	CHECK_EQ(tap_set_offload(tap, &everything), -EBADFD);
	CHECK_EQ(tap_enable_queues(tap, 1), -EINVAL);
	tap_close(tap);
}

/* ---- where ---- */

static void skip(const char *why)
{
	fprintf(stderr, "skipped: %s: %s\n", why, strerror(errno));
	exit(CHECK_SKIP);
}

/* IPv6 would greet its neighbours on every interface. */
/* Who comes after us has the descriptors, and nothing has happened to the interface. */
static void what_is_kept_goes_on(void)
{
	struct tap *tap = open_running_tap(2, &everything), *again;
	int fd[3], i;

	CHECK_EQ(tap_keep(tap, "xenmeter test"), 0);
	tap_close(tap);
	CHECK(!has_carrier(NAME));
	CHECK_EQ(tap_adopt(NAME, NULL, 0, 3, &tap), 0);
	CHECK_EQ(tap_enabled(tap), 0);
	CHECK_EQ(tap_enable_queues(tap, 2), 0);
	CHECK_EQ(tap_set_carrier(tap, TAP_CARRIER_ON), 0);
	for (i = 0; i < 3; i++) {
		fd[2 - i] = dup(tap_queue_fd(tap, i));
		CHECK(fd[2 - i] >= 0);
	}
	tap_close(tap);
	CHECK(has_carrier(NAME));
	CHECK_EQ(tap_adopt(NAME, fd, 3, 3, &again), 0);
	CHECK_EQ(tap_queues(again), 3);
	CHECK_EQ(tap_enabled(again), 2);
	CHECK_EQ(tap_enable_queues(again, 3), 0);
	CHECK(has_carrier(NAME));
	tap_delete(again);
	CHECK_EQ(if_nametoindex(NAME), 0);
}

static void enter_namespace(void)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		skip("/dev/net/tun");
	close(fd);
	if (unshare(CLONE_NEWNET))
		skip("cannot make a network namespace");
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		CHECK_EQ(write(fd, "1", 1), 1);
		close(fd);
	}
}

int main(void)
{
	int before;

	enter_namespace();
	before = check_descriptors();
	it_is_made_as_the_script_wants_it();
	names_are_exact();
	a_name_in_use_is_refused();
	in_a_child(without_rights);
	in_a_child(without_the_device);
	one_that_goes_at_once_is_called_that();
	it_is_known_by_its_number();
	mtus_are_linux_own();
	the_carrier_is_seen();
	frames_of_the_guest_appear();
	marks_of_the_guest_appear();
	long_segments_of_the_guest_appear();
	long_segments_reach_the_guest_whole();
	who_takes_nothing_gets_finished_segments();
	who_takes_one_version_gets_the_other_finished();
	our_pieces_are_the_kernels();
	offload_changes_while_it_runs();
	what_an_operator_turned_off_stays_off();
	flows_are_spread_over_enabled_queues();
	what_waits_in_a_disabled_queue_is_dropped();
	a_disabled_queue_still_sends();
	what_nobody_reads_is_counted();
	a_chain_is_cancelled_read_by_read();
	removing_ends_a_chain_at_once();
	a_killed_process_is_waited_for();
	what_someone_removed_is_missed();
	what_is_kept_goes_on();
	CHECK_EQ(check_descriptors(), before);
	return 0;
}
