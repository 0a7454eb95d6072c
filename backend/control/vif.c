/* SPDX-License-Identifier: MIT */
/*
 * Network devices: the tap behind one, and the keys of xen/io/netif.h.
 *
 * The tap is made before InitWait, so that the hotplug script, which runs then, finds it;
 * the device connects only after the script has said `hotplug-status=connected`. The tap
 * stays while the frontend comes and goes, and the daemon, and goes with the device.
 * Where one is made later, because somebody deleted it, the script is waited for again:
 * it is on no bridge.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "net_queue.h"
#include "tap.h"

/* vif4294967295.4294967295 is too long for Linux, which then says so. */
#define TAP_NAME_SIZE 32

struct vif {
	struct device base;
	struct tap *tap;     /* NULL if none is wanted */
	struct net_vif *net; /* of the present connection */
	struct rate_limit rate;
	uint64_t dropped; /* as the tap said last */
	bool watching;	  /* keys of the frontend, beside its state */
	bool multicast;	  /* request-multicast-control, as it was last */
};

/* Keys of the frontend that may change while it is connected. */
static const char *const live_keys[] = { "request-multicast-control", "xdp-headroom" };

static struct vif *vif_of(const struct device *d)
{
	return (struct vif *)d;
}

/* ---- prepared ---- */

static void vif_name_tap(struct control *c, struct vif *v, char name[TAP_NAME_SIZE])
{
	struct device *d = &v->base;
	uint64_t handle;

	handle = xenbus_number_or(c->xs, d->path, "handle", UINT32_MAX, d->devid);
	if (handle == UINT64_MAX)
		handle = d->devid;
	snprintf(name, TAP_NAME_SIZE, "vif%u.%u", d->guest->domid, (unsigned int)handle);
}

/* The toolstack has just begun: nothing of a former life is this device's. */
static bool vif_is_new(struct control *c, struct device *d)
{
	return xenbus_read_state(c->xs, d->path) == XenbusStateInitialising;
}

/* hotplug-status is about another tap, which was deleted. Only if the toolstack has just
 * begun it is about this one. */
static void vif_discard_script_status(struct control *c, struct device *d)
{
	char path[XENBUS_PATH_SIZE + 20];

	if (vif_is_new(c, d) || !device_key_is(c, d, "hotplug-status", "connected"))
		return;
	snprintf(path, sizeof(path), "%s/hotplug-status", d->path);
	xs_rm(c->xs, XBT_NULL, path);
	device_say(d, LOG_LEVEL_WARNING,
		   "its interface is a new one: its hotplug script has to run again; see "
		   "xenmeterd(8)");
}

static void vif_delete_tap(struct control *c, struct vif *v)
{
	taps_delete(&c->taps, v->base.path, v->tap);
	v->tap = NULL;
}

/* While workers use the tap, the tick finds out that somebody has deleted it. */
static void vif_close_deleted_tap(struct control *c, struct vif *v)
{
	if (v->tap && v->base.phase == PHASE_IDLE && tap_is_deleted(v->tap))
		vif_delete_tap(c, v);
}

static void vif_set_mtu(struct control *c, struct vif *v)
{
	uint64_t mtu = xenbus_number_or(c->xs, v->base.path, "mtu", UINT16_MAX, 0);
	int err;

	if (!mtu)
		return;
	err = mtu == UINT64_MAX ? -EINVAL : tap_set_mtu(v->tap, mtu);
	if (err)
		device_say(&v->base, LOG_LEVEL_WARNING, "cannot set the mtu: %s",
			   strerror(-err));
}

static int vif_make_tap(struct control *c, struct vif *v)
{
	char name[TAP_NAME_SIZE], reason[TAP_REASON_SIZE];
	struct device *d = &v->base;
	int err;

	vif_discard_script_status(c, d);
	vif_name_tap(c, v, name);
	err = tap_open(name, LIMIT_QUEUES_PER_DEVICE, &v->tap, reason);
	if (err) {
		device_fail(c, d, err, "%s", reason);
		return err;
	}
	err = taps_keep(v->tap, d->path);
	if (err)
		device_say(d, LOG_LEVEL_WARNING,
			   "its interface goes when this daemon ends: %s",
			   strerror(-err));
	vif_set_mtu(c, v);
	return 0;
}

static int vif_open_tap(struct control *c, struct vif *v)
{
	struct device *d = &v->base;

	vif_close_deleted_tap(c, v);
	if (v->tap || device_key_is(c, d, "type", "null"))
		return 0;
	if (vif_is_new(c, d))
		taps_delete(&c->taps, d->path, NULL);
	else if (!taps_take(&c->taps, d->path, LIMIT_QUEUES_PER_DEVICE, &v->tap))
		return 0;
	if (d->left.count) {
		device_fail(c, d, -ENODEV, "its interface is gone");
		return -ENODEV;
	}
	return vif_make_tap(c, v);
}

static int vif_prepare(struct control *c, struct device *d, struct xenbus_keys *keys)
{
	static const char *const offers[] = {
		"feature-sg",
		"feature-gso-tcpv4",
		"feature-gso-tcpv6",
		"feature-ipv6-csum-offload",
		"feature-rx-copy",
		"feature-multicast-control",
		"feature-dynamic-multicast-control",
		"feature-xdp-headroom",
		"feature-split-event-channels",
		"feature-ctrl-ring",
	};
	int err = vif_open_tap(c, vif_of(d));
	size_t i;

	if (err)
		return err;
	for (i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
		xenbus_add(keys, offers[i], 1);
	xenbus_add(keys, "feature-rx-flip", 0);
	xenbus_add(keys, "multi-queue-max-queues", LIMIT_QUEUES_PER_DEVICE);
	return 0;
}

/* Is there a tap, and has the hotplug script put it where it belongs? */
static int vif_is_plugged(struct control *c, struct device *d, bool connecting)
{
	int err = vif_open_tap(c, vif_of(d));
	char *script;

	(void)connecting;
	if (err || device_key_is(c, d, "hotplug-status", "connected"))
		return err;
	script = xenbus_read(c->xs, d->path, "script");
	free(script);
	if (!script)
		return 0;
	return device_wait(d, "its hotplug script to write hotplug-status=connected");
}

/* ---- connected ---- */

static bool vif_flag(struct control *c, struct device *d, const char *name)
{
	return xenbus_number_or(c->xs, d->frontend, name, 1, 0) == 1;
}

static struct offload_can vif_read_offload(struct control *c, struct device *d)
{
	return (struct offload_can){
		.checksum_v4 = !vif_flag(c, d, "feature-no-csum-offload"),
		.checksum_v6 = vif_flag(c, d, "feature-ipv6-csum-offload"),
		.scatter = vif_flag(c, d, "feature-sg"),
		.gso_v4 = vif_flag(c, d, "feature-gso-tcpv4"),
		.gso_v6 = vif_flag(c, d, "feature-gso-tcpv6"),
	};
}

static uint32_t vif_read_headroom(struct control *c, struct device *d)
{
	uint64_t headroom =
		xenbus_number_or(c->xs, d->frontend, "xdp-headroom", NET_MAX_HEADROOM, 0);

	return headroom == UINT64_MAX ? 0 : headroom;
}

static void vif_read_rate(struct control *c, struct device *d, struct rate_limit *ret)
{
	char *text = xenbus_read(c->xs, d->path, "rate");

	*ret = (struct rate_limit){ .bytes = RATE_UNLIMITED };
	if (text && rate_parse(text, strlen(text), ret))
		device_say(d, LOG_LEVEL_WARNING,
			   "rate=%s is not BYTES,MICROSECONDS: not limited", text);
	free(text);
}

static int vif_read_control(struct control *c, struct device *d, struct net_vif *net)
{
	uint64_t ref, port;

	ref = xenbus_number_or(c->xs, d->frontend, "ctrl-ring-ref", UINT32_MAX,
			       UINT64_MAX - 1);
	if (ref == UINT64_MAX - 1)
		return 0;
	port = xenbus_number_or(c->xs, d->frontend, "event-channel-ctrl", UINT32_MAX,
				UINT64_MAX);
	if (ref == UINT64_MAX || port == UINT64_MAX) {
		device_fail(c, d, -EINVAL,
			    "the frontend's ctrl-ring-ref or event-channel-ctrl is "
			    "missing or no number");
		return -EINVAL;
	}
	net->has_control = true;
	net->control_ref = ref;
	net->control_port = port;
	return 0;
}

static uint32_t vif_read_null_frame(struct control *c, struct device *d)
{
	uint64_t size = xenbus_number_or(c->xs, d->path, "null-frame", NET_NULL_MAX,
					 NET_NULL_FRAME);

	return size >= NET_MIN_FRAME && size <= NET_NULL_MAX ? size : NET_NULL_FRAME;
}

static int vif_read_frontend(struct control *c, struct device *d)
{
	struct vif *v = vif_of(d);

	if (!vif_flag(c, d, "request-rx-copy")) {
		device_fail(c, d, -EOPNOTSUPP,
			    "the frontend does not set request-rx-copy: it is too old");
		return -EOPNOTSUPP;
	}
	free(v->net);
	v->net = calloc(1, sizeof(*v->net));
	if (!v->net) {
		device_fail(c, d, -ENOMEM, "out of memory");
		return -ENOMEM;
	}
	/* What was dropped before was by no fault of this connection's. */
	v->dropped = UINT64_MAX;
	if (v->tap)
		tap_count_dropped(v->tap, &v->dropped);
	v->net->null = !v->tap;
	v->net->null_frame = vif_read_null_frame(c, d);
	v->net->can = vif_read_offload(c, d);
	v->net->rx_notify = vif_flag(c, d, "feature-rx-notify");
	v->net->headroom = vif_read_headroom(c, d);
	v->multicast = vif_flag(c, d, "request-multicast-control");
	multicast_init(&v->net->multicast);
	multicast_set(&v->net->multicast, v->multicast);
	vif_read_rate(c, d, &v->rate);
	rate_set(&v->net->rate, &v->rate, 0);
	return vif_read_control(c, d, v->net);
}

static int vif_read_ports(struct control *c, const char *dir, struct net_queue_config *q)
{
	uint64_t tx, rx;

	tx = xenbus_number_or(c->xs, dir, "event-channel-tx", UINT32_MAX, UINT64_MAX);
	rx = xenbus_number_or(c->xs, dir, "event-channel-rx", UINT32_MAX, UINT64_MAX);
	if (tx == UINT64_MAX || rx == UINT64_MAX)
		tx = rx = xenbus_number_or(c->xs, dir, "event-channel", UINT32_MAX,
					   UINT64_MAX);
	q->tx_port = tx;
	q->rx_port = rx;
	return tx == UINT64_MAX ? -EINVAL : 0;
}

static int vif_read_queue(struct control *c, struct device *d, unsigned int index,
			  const char *dir, struct net_queue_config *q)
{
	uint64_t tx, rx;

	tx = xenbus_number_or(c->xs, dir, "tx-ring-ref", UINT32_MAX, UINT64_MAX);
	rx = xenbus_number_or(c->xs, dir, "rx-ring-ref", UINT32_MAX, UINT64_MAX);
	if (tx == UINT64_MAX || rx == UINT64_MAX || vif_read_ports(c, dir, q)) {
		device_fail(c, d, -EINVAL,
			    "the frontend's tx-ring-ref, rx-ring-ref or event-channel of "
			    "queue %u is missing or no number",
			    index);
		return -EINVAL;
	}
	q->tx_ref = tx;
	q->rx_ref = rx;
	return 0;
}

static int vif_open_tap_queue(struct control *c, struct vif *v, unsigned int index,
			      struct net_queue_config *config)
{
	int err;

	config->tap = -1;
	if (!v->tap)
		return 0;
	/* Of one that was taken over, they are. */
	err = tap_enabled(v->tap) > index ? 0 : tap_enable_queues(v->tap, index + 1);
	if (err) {
		device_fail(c, &v->base, err, "cannot enable queue %u of its tap: %s",
			    index, strerror(-err));
		return err;
	}
	config->tap = tap_queue_fd(v->tap, index);
	config->ifindex = tap_number(v->tap);
	return 0;
}

static int vif_make_queue(struct control *c, struct device *d, unsigned int index,
			  const char *dir, struct queue **ret_queue)
{
	struct net_queue *q = net_queue_new();
	struct vif *v = vif_of(d);
	int err = q ? 0 : -ENOMEM;

	if (err)
		device_fail(c, d, err, "out of memory");
	if (!err)
		err = vif_read_queue(c, d, index, dir, &q->config);
	if (!err)
		err = vif_open_tap_queue(c, v, index, &q->config);
	if (err) {
		net_queue_free(q);
		return err;
	}
	q->config.index = index;
	q->config.vif = v->net;
	v->net->queue[index] = q;
	v->net->queues = index + 1;
	steer_init(&v->net->steer, index + 1);
	*ret_queue = &q->base;
	return 0;
}

static int vif_make_journal(struct device *d, struct queue *q, const char *prefix,
			    struct journal_key *key)
{
	(void)d;
	return net_queue_make_journal(net_queue_of(q), prefix, key);
}

static int vif_try_journal(struct journal *j)
{
	struct net_vif *vif = calloc(1, sizeof(*vif));
	struct net_queue *q = vif ? net_queue_new() : NULL;
	int err = q ? 0 : -ENOMEM;

	if (!err) {
		q->config.vif = vif;
		err = net_queue_take_journal(q, j);
	}
	if (err)
		journal_close(j);
	net_queue_free(q);
	free(vif);
	return err;
}

static bool vif_is_same_ring(struct control *c, const struct queue *base, const char *dir)
{
	const struct net_queue_config *q = &net_queue_of(base)->config;
	struct net_queue_config now = { 0 };

	return xenbus_is_number(c->xs, dir, "tx-ring-ref", q->tx_ref) &&
	       xenbus_is_number(c->xs, dir, "rx-ring-ref", q->rx_ref) &&
	       !vif_read_ports(c, dir, &now) && now.tx_port == q->tx_port &&
	       now.rx_port == q->rx_port;
}

/* Before its first queue. */
static int vif_resume_net(struct control *c, struct vif *v)
{
	free(v->net);
	v->net = calloc(1, sizeof(*v->net));
	if (!v->net)
		return -ENOMEM;
	multicast_init(&v->net->multicast);
	v->dropped = UINT64_MAX;
	if (v->tap)
		tap_count_dropped(v->tap, &v->dropped);
	vif_read_rate(c, &v->base, &v->rate);
	rate_set(&v->net->rate, &v->rate, 0);
	return 0;
}

static int vif_resume_queue(struct control *c, struct device *d, unsigned int index,
			    struct journal *j, struct queue **ret_queue)
{
	struct net_queue *q = net_queue_new();
	struct vif *v = vif_of(d);
	int err = q ? 0 : -ENOMEM;

	if (!err && !index)
		err = vif_resume_net(c, v);
	if (!err) {
		q->config.vif = v->net;
		err = net_queue_take_journal(q, j);
	}
	if (err) {
		net_queue_free(q);
		device_fail(c, d, err, "cannot go on from its journal: %s",
			    strerror(-err));
		return err;
	}
	err = v->net->null != !v->tap ? -ENODEV : 0;
	if (!err)
		err = vif_open_tap_queue(c, v, index, &q->config);
	if (err) {
		q->base.journal = NULL; /* it is still the device's */
		net_queue_free(q);
		return err;
	}
	v->multicast = v->net->multicast.on;
	v->net->queue[index] = q;
	v->net->queues = index + 1;
	*ret_queue = &q->base;
	return 0;
}

static void vif_free_queue(struct device *d, struct queue *q)
{
	(void)d;
	net_queue_free(net_queue_of(q));
}

/* With so many queues, or with none: the cable is pulled, and what waits is dropped. */
static void vif_plug_cable(struct vif *v, unsigned int queues)
{
	if (!v->tap)
		return;
	if (!queues)
		tap_set_carrier(v->tap, TAP_CARRIER_OFF);
	tap_enable_queues(v->tap, queues);
	if (queues)
		tap_set_carrier(v->tap, TAP_CARRIER_ON);
}

static void vif_watch_keys(struct control *c, struct device *d)
{
	struct vif *v = vif_of(d);
	size_t i;

	if (v->watching)
		return;
	for (i = 0; i < sizeof(live_keys) / sizeof(live_keys[0]); i++)
		device_watch(c, d, live_keys[i]);
	v->watching = true;
}

static const char *yes_or_no(bool is)
{
	return is ? "yes" : "no";
}

static void vif_say_features(struct device *d)
{
	const struct net_vif *net = vif_of(d)->net;

	device_say(
		d, LOG_LEVEL_DEBUG,
		"the guest takes blank checksums of IPv4 %s and IPv6 %s, segments of "
		"TCPv4 %s and TCPv6 %s; it tells of room %s; control ring %s; headroom "
		"%u; multicast filter %s",
		yes_or_no(net->can.checksum_v4), yes_or_no(net->can.checksum_v6),
		yes_or_no(net->can.gso_v4), yes_or_no(net->can.gso_v6),
		yes_or_no(net->rx_notify), yes_or_no(net->has_control), net->headroom,
		yes_or_no(net->multicast.on));
}

static void vif_announce(struct control *c, struct device *d, struct xenbus_keys *keys)
{
	struct vif *v = vif_of(d);

	(void)keys;
	vif_watch_keys(c, d);
	if (v->tap)
		tap_set_offload(v->tap, &v->net->can);
	vif_plug_cable(v, d->queue_count);
	vif_say_features(d);
	if (d->unpublished || d->resumed)
		return; /* said before */
	device_say(d, LOG_LEVEL_INFO, "connected: %u queue%s%s", d->queue_count,
		   d->queue_count == 1 ? "" : "s", v->tap ? "" : ", no tap");
}

/* ---- while it is connected ---- */

static void vif_follow_rate(struct control *c, struct device *d)
{
	struct vif *v = vif_of(d);
	struct rate_limit now;

	vif_read_rate(c, d, &now);
	if (!memcmp(&now, &v->rate, sizeof(now)))
		return;
	v->rate = now;
	device_tell_one(c, d, 0,
			&(struct message){ .kind = MESSAGE_RATE,
					   .rate = { now.bytes, now.usec } });
}

static void vif_follow_multicast(struct control *c, struct device *d)
{
	struct vif *v = vif_of(d);
	bool now = vif_flag(c, d, "request-multicast-control");

	if (now == v->multicast)
		return;
	v->multicast = now;
	device_tell_one(c, d, 0,
			&(struct message){ .kind = MESSAGE_MULTICAST, .multicast = now });
}

/* A frontend that loads an XDP program asks for headroom by Reconfiguring (netif.h). */
static void vif_follow_headroom(struct control *c, struct device *d)
{
	enum xenbus_state own = xenbus_read_state(c->xs, d->path);
	enum xenbus_state frontend = xenbus_read_state(c->xs, d->frontend);

	if (frontend == XenbusStateReconfiguring && own == XenbusStateConnected) {
		device_tell_one(c, d, 0,
				&(struct message){ .kind = MESSAGE_HEADROOM,
						   .headroom = vif_read_headroom(c, d) });
		device_publish(c, d, NULL, XenbusStateReconfigured);
	}
	if (frontend == XenbusStateConnected && own == XenbusStateReconfigured)
		device_publish(c, d, NULL, XenbusStateConnected);
}

static int vif_changed(struct control *c, struct device *d)
{
	vif_follow_rate(c, d);
	vif_follow_multicast(c, d);
	vif_follow_headroom(c, d);
	return 0;
}

static void vif_fail_deleted(struct control *c, struct vif *v)
{
	char name[TAP_NAME_SIZE];

	vif_name_tap(c, v, name);
	device_fail(c, &v->base, -ENODEV,
		    "its interface %s was deleted; another is made when the frontend "
		    "reconnects",
		    name);
}

/* What the kernel dropped because we did not read: the guest gave no room. */
static void vif_tick(struct control *c, struct device *d)
{
	struct vif *v = vif_of(d);
	uint64_t now;
	int err = v->tap ? tap_count_dropped(v->tap, &now) : -ENOENT;

	if (err == -ENODEV)
		vif_fail_deleted(c, v);
	if (err || now <= v->dropped)
		return;
	device_tell_one(c, d, 0,
			&(struct message){ .kind = MESSAGE_TAP_DROPPED,
					   .tap_dropped = now - v->dropped });
	v->dropped = now;
}

/* Like netback, a guest that takes nothing for a minute has no carrier, and what waits
 * for it in the kernel is dropped. */
static void vif_report(struct control *c, struct device *d, const struct message *m)
{
	struct vif *v = vif_of(d);

	(void)c;
	if (d->phase != PHASE_CONNECTED || !v->tap)
		return;
	vif_plug_cable(v, m->carrier ? d->queue_count : 0);
	device_say(d, LOG_LEVEL_INFO, "%s",
		   m->carrier ? "the guest receives again"
			      : "the guest does not receive: carrier off");
}

/* ---- closed ---- */

static void vif_closing(struct device *d)
{
	struct vif *v = vif_of(d);

	vif_plug_cable(v, 0);
}

static void vif_free_net(struct vif *v)
{
	free(v->net);
	v->net = NULL;
}

static void vif_closed(struct control *c, struct device *d)
{
	(void)c;
	vif_free_net(vif_of(d));
}

static void vif_release(struct control *c, struct device *d)
{
	struct vif *v = vif_of(d);

	vif_free_net(v);
	if (c->leaving && !d->gone)
		tap_close(v->tap);
	else
		vif_delete_tap(c, v);
	v->tap = NULL;
}

const struct device_class vif_class = {
	.size = sizeof(struct vif),
	.one_worker = true,
	.prepare = vif_prepare,
	.open = vif_is_plugged,
	.read_frontend = vif_read_frontend,
	.make_queue = vif_make_queue,
	.free_queue = vif_free_queue,
	.make_journal = vif_make_journal,
	.try_journal = vif_try_journal,
	.is_as_before = vif_is_same_ring,
	.resume_queue = vif_resume_queue,
	.announce = vif_announce,
	.changed = vif_changed,
	.report = vif_report,
	.tick = vif_tick,
	.closing = vif_closing,
	.closed = vif_closed,
	.release = vif_release,
};
