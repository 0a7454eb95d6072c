/* SPDX-License-Identifier: MIT */
/*
 * A guest that sends or receives one frame at a time, when it is told to, and the other
 * end, which is on the bridge. Each line of its input is `tx`, a frame from the guest, or
 * `rx`, one to it; it prints a line when that is over. Frames are numbered: one may be
 * lost, but none may come twice or in another order.
 *
 * usage: one_vif BRIDGE
 *
 * At `end` it prints how many frames were lost and disconnects; exit
 * status 1: something was not as it should.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "check.h"
#include "netfront.h"

#define FRAME	     60u
#define PROTOCOL     0x88b5 /* for experiments */
#define PATIENCE_S   60
#define AWAIT_MS     300
#define FROM_GUEST   'g'
#define TO_GUEST     'b'
#define AT_DIRECTION 14
#define AT_NUMBER    16

static struct netfront *front;
static struct netfront_queue *queue;
static int bridge;
/* The last number sent, and the last that came. */
static uint32_t sent[2], came[2];
static unsigned int count[2];

static void make_frame(uint8_t frame[FRAME], uint8_t direction, uint32_t number)
{
	memset(frame, 0xff, 6);
	memset(frame + 6, 0, FRAME - 6);
	frame[6] = 2;
	frame[12] = PROTOCOL >> 8;
	frame[13] = PROTOCOL & 0xff;
	frame[AT_DIRECTION] = direction;
	memcpy(frame + AT_NUMBER, &number, sizeof(number));
}

static void take_frame(const uint8_t *frame, size_t size, uint8_t direction)
{
	bool to = direction == TO_GUEST;
	uint8_t should[FRAME];
	uint32_t number;

	if (size < FRAME || frame[12] != PROTOCOL >> 8 ||
	    frame[13] != (PROTOCOL & 0xff) || frame[AT_DIRECTION] != direction)
		return;
	memcpy(&number, frame + AT_NUMBER, sizeof(number));
	CHECK(number > came[to] && number <= sent[to]);
	make_frame(should, direction, number);
	CHECK(!memcmp(frame, should, FRAME));
	came[to] = number;
	count[to]++;
}

/* ---- the bridge's end ---- */

static void open_bridge(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(PROTOCOL),
				       .sll_ifindex = (int)if_nametoindex(name) };

	bridge = socket(AF_PACKET, SOCK_RAW, htons(PROTOCOL));
	CHECK(bridge >= 0);
	CHECK_EQ(bind(bridge, (void *)&address, sizeof(address)), 0);
}

static void take_from_bridge(int timeout_ms)
{
	struct pollfd p = { bridge, POLLIN, 0 };
	uint8_t frame[2048];

	while (came[0] < sent[0] && poll(&p, 1, timeout_ms) == 1) {
		ssize_t size = recv(bridge, frame, sizeof(frame), 0);

		CHECK(size > 0);
		take_frame(frame, (size_t)size, FROM_GUEST);
	}
}

/* ---- the guest ---- */

static void take_sent(void *cookie, int status, void *arg)
{
	(void)arg;
	CHECK_EQ(status, NETIF_RSP_OKAY);
	*(bool *)cookie = true;
}

static void take_received(const struct netfront_received *frame, void *arg)
{
	(void)arg;
	take_frame(frame->data, frame->len, TO_GUEST);
}

static const struct netfront_ops ops = { take_sent, take_received };

static void send_from_guest(void)
{
	uint8_t bytes[FRAME];
	bool answered = false;
	struct netfront_frame frame = { .data = bytes,
					.len = FRAME,
					.cookie = &answered };
	int i;

	make_frame(bytes, FROM_GUEST, ++sent[0]);
	CHECK_EQ(netfront_send(queue, &frame), 0);
	netfront_kick(queue);
	for (i = 0; i < PATIENCE_S && !answered; i++)
		CHECK(netfront_poll(queue, 1000, &ops, NULL) >= 0);
	CHECK(answered);
	take_from_bridge(AWAIT_MS);
}

/* Until one comes: while no daemon serves, there is no carrier. */
static void send_to_guest(void)
{
	uint8_t frame[FRAME];
	int i;

	for (i = 0; i < PATIENCE_S * 1000 / AWAIT_MS; i++) {
		make_frame(frame, TO_GUEST, ++sent[1]);
		CHECK_EQ(send(bridge, frame, FRAME, 0), FRAME);
		while (came[1] < sent[1])
			if (netfront_poll(queue, AWAIT_MS, &ops, NULL) <= 0)
				break;
		if (came[1] == sent[1])
			return;
	}
	CHECK(!"a frame to the guest");
}

int main(int argc, char **argv)
{
	struct netfront_config config = { .features = NETFRONT_USUAL };
	struct netfront_stats stats;
	char line[32];

	CHECK_EQ(argc, 2);
	setvbuf(stdout, NULL, _IOLBF, 0);
	open_bridge(argv[1]);
	CHECK_EQ(netfront_new(&config, &front), 0);
	CHECK_EQ(netfront_connect(front), 0);
	queue = netfront_queue(front, 0);
	puts("connected");
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "end\n")) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "tx"))
			send_from_guest();
		else
			send_to_guest();
		puts(line);
	}
	netfront_stats(front, &stats);
	CHECK_EQ(netfront_violations(&stats), 0);
	CHECK(count[0] && count[1]);
	printf("%u of %u from the guest, %u of %u to it\n", count[0], sent[0], count[1],
	       sent[1]);
	CHECK_EQ(netfront_disconnect(front), 0);
	netfront_free(front);
	return 0;
}
