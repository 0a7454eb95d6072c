/* SPDX-License-Identifier: MIT */
/*
 * What a guest or the toolstack writes into xenstore: numbers, states, the `rate` key,
 * and credit as that rate gives it.
 *
 * What must hold: a number that is taken is written in digits only and within its bound;
 * a move exists for every pair of states; over any time no more is sent than the rate
 * allows with one burst; whoever is refused is told a later time to ask again.
 */
#include "fuzz.h"
#include "rate.h"
#include "xenbus_keys.h"
#include "xenbus_state.h"

static void try_number(struct input *in)
{
	uint64_t max = input_64(in), number = 77, again = 0;
	const uint8_t *text;
	size_t size, i;
	int err;

	text = input_rest(in, 1 + input_8(in) % 32, &size);
	err = xenbus_parse_number((const char *)text, size, max, &number);
	MUST(err <= 0);
	if (err) {
		MUST(number == 77);
		return;
	}
	MUST(size && number <= max);
	for (i = 0; i < size; i++) {
		MUST(text[i] >= '0' && text[i] <= '9');
		again = again * 10 + text[i] - '0';
	}
	MUST(again == number);
}

static void try_states(struct input *in)
{
	char text[4] = "";
	enum xenbus_state state;
	enum xenbus_move move;

	input_bytes(in, text, input_8(in) % sizeof(text));
	text[sizeof(text) - 1] = '\0';
	state = xenbus_state_parse(text);
	MUST(state >= XenbusStateUnknown && state <= XenbusStateReconfigured);
	MUST(xenbus_state_parse(NULL) == XenbusStateUnknown);
	move = xenbus_next((enum xenbus_state)(int8_t)input_8(in),
			   (enum xenbus_state)(int8_t)input_8(in));
	MUST(move <= XENBUS_CLOSE);
	MUST(xenbus_next(state, state) <= XENBUS_CLOSE);
	/* What is the frontend's or the toolstack's to write, we never do. */
	if (state <= XenbusStateInitialising || state == XenbusStateInitialised ||
	    state == XenbusStateReconfiguring)
		MUST(!xenbus_may_replace(XenbusStateConnected, state));
	else
		MUST(xenbus_may_replace(XenbusStateConnected, state) ==
		     (state != XenbusStateInitWait));
}

/* Credit for one interval that is full, for one that is beginning, and for each that
 * ended. */
static unsigned __int128 allowance(const struct rate_limit *l, uint64_t ns)
{
	uint64_t burst = l->bytes > RATE_MIN_BURST ? l->bytes : RATE_MIN_BURST;
	unsigned __int128 intervals =
		(unsigned __int128)ns / ((unsigned __int128)l->usec * 1000);

	return burst + (intervals + 1) * l->bytes;
}

static void try_credit(struct input *in, const struct rate_limit *limit)
{
	uint64_t began = input_32(in), now = began, when;
	unsigned __int128 sent = 0;
	struct rate r;
	int i;

	rate_set(&r, limit, now);
	for (i = 0; i < 64 && in->left; i++) {
		uint32_t bytes = 1 + input_16(in);

		now += (uint64_t)input_16(in) << input_8(in) % 24;
		if (rate_take(&r, bytes, now, &when))
			sent += bytes;
		else
			MUST(when > now);
		if (limit->bytes != RATE_UNLIMITED && limit->usec)
			MUST(sent <= allowance(limit, now - began));
	}
	rate_set(&r, NULL, now);
	MUST(rate_take(&r, UINT32_MAX, now, &when));
}

static void try_rate(struct input *in)
{
	struct rate_limit limit, made;
	char plain[64];
	const uint8_t *text;
	size_t size;

	if (input_8(in) & 1) {
		made.bytes = input_64(in) >> input_8(in) % 64;
		made.usec = input_64(in) >> input_8(in) % 64;
		size = snprintf(plain, sizeof(plain), "%lu,%lu", made.bytes, made.usec);
		MUST(!rate_parse(plain, size, &limit));
		MUST(limit.bytes == made.bytes && limit.usec == made.usec);
	} else {
		text = input_rest(in, 1 + input_8(in) % 48, &size);
		if (rate_parse((const char *)text, size, &limit))
			MUST(limit.bytes == RATE_UNLIMITED);
		else
			MUST(memchr(text, ',', size) && size >= 3);
	}
	try_credit(in, &limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	while (in.left) {
		switch (input_8(&in) % 3) {
		case 0:
			try_number(&in);
			break;
		case 1:
			try_states(&in);
			break;
		case 2:
			try_rate(&in);
			break;
		}
	}
	return 0;
}
