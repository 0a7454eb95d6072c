/* SPDX-License-Identifier: MIT */
/*
 * The handshake: numbers and states as a guest may write them, and the move for each of
 * the 81 pairs of states, stated here in the words of the protocol.
 */
#include "check.h"

#include <errno.h>
#include <stdbool.h>

#include "xenbus_keys.h"
#include "xenbus_state.h"

#define STATES (XenbusStateReconfigured + 1)

/* ---- numbers ---- */

static const struct {
	const char *rule;
	const char *text;
	size_t length;
	uint64_t max;
	int result;
	uint64_t number;
} numbers[] = {
	{ "zero", "0", 1, UINT64_MAX, 0, 0 },
	{ "a number", "1234", 4, UINT64_MAX, 0, 1234 },
	{ "leading zeros", "0010", 4, UINT64_MAX, 0, 10 },
	{ "the maximum", "16", 2, 16, 0, 16 },
	{ "one above the maximum", "17", 2, 16, -ERANGE, 0 },
	{ "maximum 0", "0", 1, 0, 0, 0 },
	{ "one above maximum 0", "1", 1, 0, -ERANGE, 0 },
	{ "2^32-1", "4294967295", 10, UINT32_MAX, 0, UINT32_MAX },
	{ "2^32", "4294967296", 10, UINT32_MAX, -ERANGE, 0 },
	{ "2^64-1", "18446744073709551615", 20, UINT64_MAX, 0, UINT64_MAX },
	{ "2^64", "18446744073709551616", 20, UINT64_MAX, -ERANGE, 0 },
	{ "2^64+1, which wraps to 1", "18446744073709551617", 20, 1, -ERANGE, 0 },
	{ "10 times 2^64-1", "184467440737095516150", 21, UINT64_MAX, -ERANGE, 0 },
	{ "40 digits", "9999999999999999999999999999999999999999", 40, UINT64_MAX,
	  -ERANGE, 0 },
	{ "40 zeros and a 1", "00000000000000000000000000000000000000001", 41, 1, 0, 1 },
	{ "empty", "", 0, UINT64_MAX, -EINVAL, 0 },
	{ "empty, without a text", NULL, 0, UINT64_MAX, -EINVAL, 0 },
	{ "minus", "-1", 2, UINT64_MAX, -EINVAL, 0 },
	{ "minus zero", "-0", 2, UINT64_MAX, -EINVAL, 0 },
	{ "plus", "+1", 2, UINT64_MAX, -EINVAL, 0 },
	{ "a sign alone", "-", 1, UINT64_MAX, -EINVAL, 0 },
	{ "hexadecimal", "0x10", 4, UINT64_MAX, -EINVAL, 0 },
	{ "hexadecimal digits", "1f", 2, UINT64_MAX, -EINVAL, 0 },
	{ "a letter", "x", 1, UINT64_MAX, -EINVAL, 0 },
	{ "space before", " 1", 2, UINT64_MAX, -EINVAL, 0 },
	{ "space after", "1 ", 2, UINT64_MAX, -EINVAL, 0 },
	{ "space within", "1 2", 3, UINT64_MAX, -EINVAL, 0 },
	{ "newline after", "1\n", 2, UINT64_MAX, -EINVAL, 0 },
	{ "NUL after", "1\0", 2, UINT64_MAX, -EINVAL, 0 },
	{ "NUL within", "1\0002", 3, UINT64_MAX, -EINVAL, 0 },
	{ "NUL before", "\0001", 2, UINT64_MAX, -EINVAL, 0 },
	{ "a fraction", "1.0", 3, UINT64_MAX, -EINVAL, 0 },
	{ "an exponent", "1e3", 3, UINT64_MAX, -EINVAL, 0 },
	{ "just below 0 in ASCII", "/", 1, UINT64_MAX, -EINVAL, 0 },
	{ "just above 9 in ASCII", ":", 1, UINT64_MAX, -EINVAL, 0 },
	{ "a byte above 127", "\xb1", 1, UINT64_MAX, -EINVAL, 0 },
	{ "too large and no number", "99999999999999999999999x", 24, UINT64_MAX, -EINVAL,
	  0 },
	{ "no more than the length is read", "12345", 2, UINT64_MAX, 0, 12 },
};

static void numbers_are_plain_decimal(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t number = 0x5555;
		int result = xenbus_parse_number(numbers[i].text, numbers[i].length,
						 numbers[i].max, &number);

		if (result != numbers[i].result)
			fprintf(stderr, "%s\n", numbers[i].rule);
		CHECK_EQ(result, numbers[i].result);
		CHECK_EQ(number, result ? 0x5555 : numbers[i].number);
	}
}

/* The longest value that xenstored keeps, at the very end of its memory. */
static void long_values_are_read_to_their_end(void)
{
	char *text = malloc(4096);
	uint64_t number;

	memset(text, '0', 4096);
	CHECK_EQ(xenbus_parse_number(text, 4096, 0, &number), 0);
	CHECK_EQ(number, 0);
	memset(text, '9', 4096);
	CHECK_EQ(xenbus_parse_number(text, 4096, UINT64_MAX, &number), -ERANGE);
	text[4095] = 'x';
	CHECK_EQ(xenbus_parse_number(text, 4096, UINT64_MAX, &number), -EINVAL);
	free(text);
}

/* ---- states ---- */

static void one_digit_is_a_state(void)
{
	char digit[2] = "1";

	for (; digit[0] <= '8'; digit[0]++)
		CHECK_EQ(xenbus_state_parse(digit), digit[0] - '0');
}

static void anything_else_is_unknown(void)
{
	static const char *const texts[] = { "",  "0",	"9",  "04", "4 ", " 4",	 "4\n",
					     "-", "-4", "+4", "44", "x",  "0x4", "\xb4" };
	unsigned int i;

	CHECK_EQ(xenbus_state_parse(NULL), XenbusStateUnknown);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		CHECK_EQ(xenbus_state_parse(texts[i]), XenbusStateUnknown);
}

/* ---- moves ---- */

#define GONE	      XenbusStateUnknown /* no directory, or no state in it */
#define INITIALISING  XenbusStateInitialising
#define INIT_WAIT     XenbusStateInitWait
#define INITIALISED   XenbusStateInitialised
#define CONNECTED     XenbusStateConnected
#define CLOSING	      XenbusStateClosing
#define CLOSED	      XenbusStateClosed
#define RECONFIGURING XenbusStateReconfiguring
#define RECONFIGURED  XenbusStateReconfigured

static bool stated[STATES][STATES];

static void given(enum xenbus_state own, enum xenbus_state frontend,
		  enum xenbus_move should)
{
	if (xenbus_next(own, frontend) != should)
		fprintf(stderr, "we are %d, the frontend %d\n", own, frontend);
	CHECK_EQ(xenbus_next(own, frontend), should);
	CHECK(!stated[own][frontend]);
	stated[own][frontend] = true;
}

/* Without a state of our own there is no device. */
static void no_device_no_move(void)
{
	int frontend;

	for (frontend = 0; frontend < STATES; frontend++)
		given(XenbusStateUnknown, frontend, XENBUS_STAY);
}

/* A new device: we publish whatever the frontend is at, a late or former one included. */
static void new_device_is_prepared(void)
{
	given(INITIALISING, INITIALISING, XENBUS_PREPARE);
	given(INITIALISING, INIT_WAIT, XENBUS_PREPARE);
	given(INITIALISING, INITIALISED, XENBUS_PREPARE);
	given(INITIALISING, CONNECTED, XENBUS_PREPARE);
	given(INITIALISING, CLOSING, XENBUS_PREPARE);
	given(INITIALISING, CLOSED, XENBUS_PREPARE);
	/* The toolstack is still at work: the other half comes. */
	given(INITIALISING, GONE, XENBUS_STAY);
}

/* We have published: wait until the frontend has, then connect. */
static void prepared_device_waits_for_the_frontend(void)
{
	given(INIT_WAIT, INITIALISING, XENBUS_STAY);
	given(INIT_WAIT, INIT_WAIT, XENBUS_STAY);
	given(INIT_WAIT, INITIALISED, XENBUS_CONNECT);
	given(INIT_WAIT, CONNECTED, XENBUS_CONNECT);
	/* A frontend that gives up is followed; from Closed it may come back. */
	given(INIT_WAIT, CLOSING, XENBUS_CLOSING);
	given(INIT_WAIT, CLOSED, XENBUS_CLOSE);
	given(INIT_WAIT, GONE, XENBUS_CLOSE);
}

/* Not a state of ours, but a former backend's perhaps: as after InitWait. */
static void initialised_device_goes_on(void)
{
	given(INITIALISED, INITIALISING, XENBUS_STAY);
	given(INITIALISED, INIT_WAIT, XENBUS_STAY);
	given(INITIALISED, INITIALISED, XENBUS_CONNECT);
	given(INITIALISED, CONNECTED, XENBUS_CONNECT);
	given(INITIALISED, CLOSING, XENBUS_CLOSING);
	given(INITIALISED, CLOSED, XENBUS_CLOSE);
	given(INITIALISED, GONE, XENBUS_CLOSE);
}

/* We serve as long as the frontend is there; one that starts over is done. */
static void connected_device_serves_until_the_frontend_leaves(void)
{
	given(CONNECTED, INITIALISED, XENBUS_STAY);
	given(CONNECTED, CONNECTED, XENBUS_STAY);
	given(CONNECTED, INITIALISING, XENBUS_CLOSE);
	given(CONNECTED, INIT_WAIT, XENBUS_CLOSE);
	given(CONNECTED, CLOSING, XENBUS_CLOSING);
	given(CONNECTED, CLOSED, XENBUS_CLOSE);
	given(CONNECTED, GONE, XENBUS_CLOSE);
}

/* The toolstack asks for removal: the frontend flushes first, we serve until it closes.
 * Whoever asks, a frontend that closes must read Closing before it reads Closed. */
static void closing_device_waits_until_the_frontend_is_closed(void)
{
	given(CLOSING, INITIALISED, XENBUS_STAY);
	given(CLOSING, CONNECTED, XENBUS_STAY);
	given(CLOSING, INITIALISING, XENBUS_CLOSE);
	given(CLOSING, INIT_WAIT, XENBUS_CLOSE);
	given(CLOSING, CLOSING, XENBUS_CLOSING);
	given(CLOSING, CLOSED, XENBUS_CLOSE);
	given(CLOSING, GONE, XENBUS_CLOSE);
}

/* Closed is the end, unless the frontend begins anew. */
static void closed_device_waits_for_a_new_beginning(void)
{
	given(CLOSED, INITIALISING, XENBUS_PREPARE);
	given(CLOSED, INIT_WAIT, XENBUS_STAY);
	/* It may have begun while nobody looked. */
	given(CLOSED, INITIALISED, XENBUS_PREPARE);
	given(CLOSED, CONNECTED, XENBUS_PREPARE);
	given(CLOSED, CLOSING, XENBUS_CLOSING);
	given(CLOSED, CLOSED, XENBUS_STAY);
	given(CLOSED, GONE, XENBUS_STAY);
}

/* Reconfiguring is PCI's (xenbus.h); no block or network device has it. */
static void reconfiguring_moves_nothing(void)
{
	int state;

	for (state = INITIALISING; state < STATES; state++) {
		given(state, RECONFIGURING, XENBUS_STAY);
		given(state, RECONFIGURED, XENBUS_STAY);
	}
	for (state = GONE; state < RECONFIGURING; state++) {
		given(RECONFIGURING, state, XENBUS_STAY);
		given(RECONFIGURED, state, XENBUS_STAY);
	}
}

static void every_pair_was_stated(void)
{
	int own, frontend;

	for (own = 0; own < STATES; own++)
		for (frontend = 0; frontend < STATES; frontend++)
			CHECK(stated[own][frontend]);
	CHECK_EQ(STATES * STATES, 81);
}

static void no_state_no_move(void)
{
	static const int64_t out[] = { -1, 9, 10, 81, INT32_MAX, INT32_MIN };
	unsigned int i;
	int state;

	for (i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		enum xenbus_state bad = (enum xenbus_state)out[i];

		for (state = 0; state < STATES; state++) {
			CHECK_EQ(xenbus_next(bad, state), XENBUS_STAY);
			CHECK_EQ(xenbus_next(state, bad), XENBUS_STAY);
		}
		CHECK_EQ(xenbus_next(bad, bad), XENBUS_STAY);
	}
}

/* What we write, over each state that may stand there. */
static void replaces(enum xenbus_state state, const char *olds)
{
	int old;

	for (old = 0; old < STATES; old++)
		CHECK_EQ(xenbus_may_replace(old, state), strchr(olds, '0' + old) != NULL);
}

static void toolstack_is_not_undone(void)
{
	replaces(INIT_WAIT, "16");
	replaces(CONNECTED, "2348");
	replaces(RECONFIGURED, "4");
	replaces(CLOSING, "01234678");
	replaces(CLOSED, "02345678");
	replaces(GONE, "");
	replaces(INITIALISING, "");
	replaces(INITIALISED, "");
	replaces(RECONFIGURING, "");
}

int main(void)
{
	numbers_are_plain_decimal();
	long_values_are_read_to_their_end();
	one_digit_is_a_state();
	anything_else_is_unknown();
	no_device_no_move();
	new_device_is_prepared();
	prepared_device_waits_for_the_frontend();
	initialised_device_goes_on();
	connected_device_serves_until_the_frontend_leaves();
	closing_device_waits_until_the_frontend_is_closed();
	closed_device_waits_for_a_new_beginning();
	reconfiguring_moves_nothing();
	every_pair_was_stated();
	no_state_no_move();
	toolstack_is_not_undone();
	return 0;
}
