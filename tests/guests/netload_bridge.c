/* SPDX-License-Identifier: MIT */
/*
 * The bridge: a TAP in our network namespace is the guest's interface, so that any
 * program can be the guest's. Frames go both ways with their offloads: virtio_net_hdr
 * (linux/virtio_net.h) on the TAP's side, flags and extras of netif.h on the vif's. A
 * queue of the TAP belongs to a queue of the vif.
 */
#include "netload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH	64
#define WAIT_MS 100
/* The kernel may make a frame of 65536 bytes and its headers. */
#define BUFFER_SIZE (sizeof(struct virtio_net_hdr) + 70000u)

/* The TAP. */

static void request_begin(struct ifreq *request, const char *name)
{
	memset(request, 0, sizeof(*request));
	snprintf(request->ifr_name, sizeof(request->ifr_name), "%s", name);
}

static unsigned int offload_flags(const struct netload_options *options,
				  const struct netfront_info *info)
{
	unsigned int flags = 0;

	if (!options->tap_offload || (info->offers & NETFRONT_NO_CSUM))
		return 0;
	flags |= TUN_F_CSUM;
	if ((info->offers & NETFRONT_SG) && (info->offers & NETFRONT_GSO_TCPV4))
		flags |= TUN_F_TSO4;
	if ((info->offers & NETFRONT_SG) && (info->offers & NETFRONT_GSO_TCPV6))
		flags |= TUN_F_TSO6;
	return flags;
}

static int tap_open_queue(struct tap *tap, const struct netload_options *options,
			  const struct netfront_info *info)
{
	struct ifreq request;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	tap->fds[tap->nr++] = fd;
	request_begin(&request, options->tap);
	request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (info->queues > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	if (ioctl(fd, TUNSETIFF, &request))
		return -errno;
	return ioctl(fd, TUNSETOFFLOAD, offload_flags(options, info)) ? -errno : 0;
}

static int tap_set_mac(int sock, const char *name, const uint8_t *mac)
{
	struct ifreq request;

	request_begin(&request, name);
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, NETFRONT_MAC_SIZE);
	return ioctl(sock, SIOCSIFHWADDR, &request) ? -errno : 0;
}

static int tap_set_mtu(int sock, const char *name, uint32_t mtu)
{
	struct ifreq request;

	request_begin(&request, name);
	request.ifr_mtu = (int)mtu;
	return ioctl(sock, SIOCSIFMTU, &request) ? -errno : 0;
}

static int tap_set_up(int sock, const char *name)
{
	struct ifreq request;

	request_begin(&request, name);
	if (ioctl(sock, SIOCGIFFLAGS, &request))
		return -errno;
	request.ifr_flags |= IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, &request) ? -errno : 0;
}

static int tap_configure(const struct tap *tap, const struct netfront_info *info,
			 const uint8_t *mac)
{
	int carrier = info->carrier;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = sock < 0 ? -errno : 0;

	if (!err && mac)
		err = tap_set_mac(sock, tap->name, mac);
	if (!err)
		err = tap_set_mtu(sock, tap->name, info->mtu);
	if (!err && mac)
		err = tap_set_up(sock, tap->name);
	if (!err && ioctl(tap->fds[0], TUNSETCARRIER, &carrier))
		err = -errno;
	if (sock >= 0)
		close(sock);
	return err;
}

/**
 * tap_open() - a TAP in this network namespace, with the vif's address and mtu, up
 * @tap: to be set up
 * @options: its name
 * @info: of the connected vif
 *
 * Return: 0 or -errno; tap_close() is right in both cases.
 */
int tap_open(struct tap *tap, const struct netload_options *options,
	     const struct netfront_info *info)
{
	*tap = (struct tap){ .name = options->tap };
	while (tap->nr < info->queues) {
		int err = tap_open_queue(tap, options, info);

		if (err)
			return err;
	}
	return tap_configure(tap, info, info->mac);
}

/**
 * tap_update() - the backend changed the mtu or the carrier
 * @tap: open
 * @info: new
 *
 * Return: 0 or -errno.
 */
int tap_update(const struct tap *tap, const struct netfront_info *info)
{
	return tap_configure(tap, info, NULL);
}

/**
 * tap_close() - the reverse
 * @tap: may be half open
 */
void tap_close(struct tap *tap)
{
	while (tap->nr)
		close(tap->fds[--tap->nr]);
}

/* From the TAP to the vif. */

struct bridge {
	struct worker *worker;
	uint8_t buffer[BUFFER_SIZE];
	uint32_t waiting; /* bytes in the buffer that the ring had no room for */
};

static uint8_t *frame_of(struct bridge *bridge)
{
	return bridge->buffer + sizeof(struct virtio_net_hdr);
}

static void offload_of(const struct virtio_net_hdr *header,
		       struct netfront_offload *offload)
{
	memset(offload, 0, sizeof(*offload));
	offload->csum_blank = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	offload->data_validated = header->flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM |
						   VIRTIO_NET_HDR_F_DATA_VALID);
	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		offload->gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		offload->gso_type = XEN_NETIF_GSO_TYPE_TCPV6;
		break;
	default:
		return;
	}
	offload->gso_size = header->gso_size;
}

/* A blank checksum is only known to the other side for TCP and UDP. */
static void complete_csum(struct bridge *bridge, const struct virtio_net_hdr *header,
			  struct netfront_frame *frame)
{
	packet_complete(frame_of(bridge), frame->len, header->csum_start,
			header->csum_offset);
	frame->offload.csum_blank = false;
	bridge->worker->tap.completed++;
}

static int send_frame(struct bridge *bridge, uint32_t bytes)
{
	struct netfront_frame frame = { .data = frame_of(bridge) };
	struct virtio_net_hdr header;
	struct packet packet;
	int err;

	memcpy(&header, bridge->buffer, sizeof(header));
	frame.len = bytes - (uint32_t)sizeof(header);
	offload_of(&header, &frame.offload);
	packet_parse(frame.data, frame.len, &packet);
	if (frame.offload.csum_blank && !packet_has_csum(&packet))
		complete_csum(bridge, &header, &frame);
	err = netfront_send(bridge->worker->queue, &frame);
	if (err == -EOPNOTSUPP && frame.offload.csum_blank && !frame.offload.gso_type) {
		complete_csum(bridge, &header, &frame);
		err = netfront_send(bridge->worker->queue, &frame);
	}
	return err;
}

/* Returns false when the ring is full. */
static bool forward(struct bridge *bridge, uint32_t bytes)
{
	struct tap_counts *counts = &bridge->worker->tap;
	int err = send_frame(bridge, bytes);

	if (err == -EAGAIN) {
		counts->blocked += !bridge->waiting;
		bridge->waiting = bytes;
		return false;
	}
	bridge->waiting = 0;
	if (err) {
		counts->to_vif_dropped++;
		return true;
	}
	counts->to_vif++;
	counts->to_vif_bytes += bytes - sizeof(struct virtio_net_hdr);
	return true;
}

/* Returns how many frames went over. */
static int take_from_tap(struct bridge *bridge)
{
	int n = 0;

	if (bridge->waiting && !forward(bridge, bridge->waiting))
		return 0;
	while (n < BATCH) {
		ssize_t bytes = read(bridge->worker->tap_fd, bridge->buffer, BUFFER_SIZE);

		if (bytes <= (ssize_t)sizeof(struct virtio_net_hdr))
			break;
		if (!forward(bridge, (uint32_t)bytes))
			break;
		n++;
	}
	return n;
}

/* From the vif to the TAP. */

/* False: the kernel could not do with it what the offloads say. */
static bool header_of(const struct netfront_received *frame,
		      struct virtio_net_hdr *ret_header)
{
	const struct netfront_offload *offload = &frame->offload;
	bool gso = offload->gso_type != XEN_NETIF_GSO_TYPE_NONE;
	struct packet packet;

	memset(ret_header, 0, sizeof(*ret_header));
	if (offload->data_validated)
		ret_header->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	if (!gso && !offload->csum_blank)
		return true;
	packet_parse(frame->data, frame->len, &packet);
	if (!packet_has_csum(&packet))
		return false;
	/* The kernel segments only what has a blank checksum. */
	if (!offload->csum_blank)
		packet_put_pseudo(frame->data, &packet);
	ret_header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	ret_header->csum_start = (uint16_t)packet.l4;
	ret_header->csum_offset = (uint16_t)(packet.csum - packet.l4);
	if (!gso)
		return true;
	ret_header->gso_type = offload->gso_type == XEN_NETIF_GSO_TYPE_TCPV4
				       ? VIRTIO_NET_HDR_GSO_TCPV4
				       : VIRTIO_NET_HDR_GSO_TCPV6;
	ret_header->gso_size = offload->gso_size;
	ret_header->hdr_len = (uint16_t)packet.headers;
	return packet.proto == PACKET_PROTO_TCP;
}

static void on_received(const struct netfront_received *frame, void *arg)
{
	struct worker *worker = arg;
	struct virtio_net_hdr header;
	struct iovec iov[] = { { &header, sizeof(header) }, { frame->data, frame->len } };

	worker->last_ns = worker_now_ns();
	if (!header_of(frame, &header)) {
		worker->tap.unparsed++;
		return;
	}
	if (writev(worker->tap_fd, iov, 2) < 0) {
		worker->tap.to_tap_dropped++;
		return;
	}
	worker->tap.to_tap++;
	worker->tap.to_tap_bytes += frame->len;
}

static void wait_for_work(struct bridge *bridge)
{
	struct worker *worker = bridge->worker;
	struct pollfd pfds[] = { { .fd = netfront_fd(worker->queue), .events = POLLIN },
				 { .fd = worker->tap_fd, .events = POLLIN } };

	if (netfront_arm(worker->queue))
		return;
	if (poll(pfds, bridge->waiting ? 1 : 2, WAIT_MS) > 0 &&
	    (pfds[0].revents & POLLIN))
		netfront_ack(worker->queue);
}

/**
 * bridge_run() - until it is to stop
 * @worker: with its queue and its queue of the TAP
 */
void bridge_run(struct worker *worker)
{
	static const struct netfront_ops ops = { .received = on_received };
	struct bridge *bridge = calloc(1, sizeof(*bridge));

	if (!bridge) {
		worker->broken = true;
		return;
	}
	bridge->worker = worker;
	while (!__atomic_load_n(worker->stop, __ATOMIC_RELAXED)) {
		int from_tap = take_from_tap(bridge);
		int from_vif;

		netfront_kick(worker->queue);
		from_vif = netfront_poll(worker->queue, 0, &ops, worker);
		if (from_vif < 0) {
			worker->broken = true;
			break;
		}
		if (!from_tap && !from_vif)
			wait_for_work(bridge);
	}
	free(bridge);
}
