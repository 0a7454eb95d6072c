/* SPDX-License-Identifier: MIT */
/*
 * The control thread as a whole: devices, their handshake, the keys of vbd and vif,
 * guests and their limits, its books. The input is what three guests, the toolstack and
 * the workers do, in which order the daemon sees it, and which of its calls fail;
 * store.h and served.h are what it is told by.
 *
 * What must hold: the rules of store.h and served.h; each state that is written follows
 * from the one that it replaces; nothing comes back that the toolstack has removed; what
 * happens to one device has no other looked at; a change that a guest makes is counted
 * and paid in its row, and above its limit none of its keys is watched; no more watches
 * and log lines than a guest may cause; the books balance to the cycle. When all has come
 * to its end, nothing is left of it, and an honest guest is served, without a store too.
 */
#include <errno.h>
#include <stdarg.h>

#include "device.h"
#include "ledger.h"
#include "outside.h"
#include "served.h"
#include "store.h"

#define MOST_TURNS 1000 /* until all has come to an end */
#define LOSSES	   12	/* of the store: a step of each device makes fewer calls */

enum { TAKE_ALL = 1, TAKE_REPORT = 2, TICK = 4, LOOK = 8, TAKE_HELPERS = 16 };

static struct {
	struct input in;
	struct control control;
	/* Of this second, by domid. */
	unsigned int lines[OUTSIDE_DOMAINS + 1], may_log[OUTSIDE_DOMAINS + 1];
} world;

/* ---- what the daemon is linked with ---- */

struct guest *__real_guest_get(struct guests *all, struct xs_handle *xs, uint32_t domid,
			       const char *backend);
struct guest *__wrap_guest_get(struct guests *all, struct xs_handle *xs, uint32_t domid,
			       const char *backend);

struct guest *__wrap_guest_get(struct guests *all, struct xs_handle *xs, uint32_t domid,
			       const char *backend)
{
	struct guest *g = __real_guest_get(all, xs, domid, backend);

	MUST(domid <= OUTSIDE_DOMAINS);
	if (g && g->devices == 1)
		world.may_log[domid] += LIMIT_LOG_LINES;
	return g;
}

/* Each line is about a device of some guest. */
bool log_wants(enum log_level level)
{
	return level <= LOG_LEVEL_INFO; /* as without --verbose */
}

void log_line(enum log_level level, const char *format, ...)
{
	char text[1024];
	unsigned int domid;
	va_list args;

	MUST(level <= LOG_LEVEL_DEBUG);
	va_start(args, format);
	MUST(vsnprintf(text, sizeof(text), format, args) > 0);
	va_end(args);
	MUST(sscanf(text, "backend/%*[^/]/%u/", &domid) == 1 && domid <= OUTSIDE_DOMAINS);
	MUST(++world.lines[domid] <= world.may_log[domid]);
}

static void next_second(void)
{
	const struct guest *g;

	served.now_s++;
	memset(world.lines, 0, sizeof(world.lines));
	memset(world.may_log, 0, sizeof(world.may_log));
	for (g = world.control.guests.first; g; g = g->next)
		world.may_log[g->domid] += LIMIT_LOG_LINES;
}

/* ---- what the daemon writes ---- */

/* Closed over a device that was made anew, or Connected over the toolstack's order to
 * close, would undo what the toolstack has done. */
static bool may_follow(enum xenbus_state old, enum xenbus_state new)
{
	switch (new) {
	case XenbusStateInitWait:
		return old == XenbusStateInitialising || old == XenbusStateClosed;
	case XenbusStateConnected:
		return old != XenbusStateInitialising && old != XenbusStateClosing &&
		       old != XenbusStateClosed;
	case XenbusStateReconfigured:
		return old == XenbusStateConnected;
	case XenbusStateClosing:
		return old != XenbusStateClosing;
	case XenbusStateClosed:
		return old != XenbusStateInitialising;
	case XenbusStateUnknown:
	case XenbusStateInitialising:
	case XenbusStateInitialised:
	case XenbusStateReconfiguring:
		break;
	}
	return false;
}

static void written(const char *path, const char *old, const char *value)
{
	char kind[8], dir[64];
	uint32_t domid, devid;

	if (!strncmp(path, "error/", strlen("error/")))
		return;
	MUST(xenbus_split_device(path, kind, &domid, &devid));
	MUST(device_class_of(kind));
	snprintf(dir, sizeof(dir), "backend/%s/%u/%u/state", kind, domid, devid);
	MUST(store_has(dir)); /* else it would come back as a ghost */
	if (!strcmp(path, dir))
		MUST(may_follow(xenbus_state_parse(old), xenbus_state_parse(value)));
}

/* ---- the daemon's turns ---- */

static struct device *device_of(const char *token)
{
	const char *name = strchr(token, ':');
	struct device *d;

	for (d = world.control.devices; d && name; d = d->next)
		if (!strcmp(d->path, name + 1))
			return d;
	return NULL;
}

/* A guest's change is counted, and in its row. */
static void take_guest_event(struct device *d, char **event)
{
	unsigned int changes = d->guest->store_events;
	struct row *row = d->control_row;
	uint64_t events = row ? row->counter[ROW_store_events] : 0;
	uint64_t cycles = row ? row_charged(row) : 0;

	control_handle_event(&world.control, event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]);
	MUST(d->guest->store_events == changes + 1);
	MUST(d->dirty);
	if (row)
		MUST(row->counter[ROW_store_events] == events + 1 &&
		     row_charged(row) > cycles);
}

/* No more than there was is divided among those whose events they were. */
static void divide_helpers(void)
{
	const struct worker_figures *f = &world.control.charges.books.figures;
	uint64_t ran = f->offload, charged_then = f->offload_charged;

	charge_store(&world.control);
	MUST(f->offload_charged - charged_then <= f->offload - ran);
}

/* Is one of them the other's directory, or above it? */
static bool is_along(const char *a, const char *b)
{
	size_t shorter = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
	char end = a[shorter] | b[shorter];

	return !strncmp(a, b, shorter) && (!end || end == '/');
}

/* Is it about this device, or its guest's name? */
static bool is_about(char **event, const struct device *d)
{
	uint32_t domid;

	if (guest_of_token(event[XS_WATCH_TOKEN], &domid))
		return d->guest->domid == domid;
	return is_along(d->path, event[XS_WATCH_PATH]);
}

static unsigned int marked_beside(char **event)
{
	unsigned int marked = 0;
	struct device *d;

	for (d = world.control.devices; d; d = d->next)
		marked += d->dirty && !is_about(event, d);
	return marked;
}

/* The end of one guest's devices once had every guest's looked at, for its own money. */
static void take_toolstack_event(char **event)
{
	unsigned int marked = marked_beside(event);

	control_handle_event(&world.control, event[XS_WATCH_PATH], event[XS_WATCH_TOKEN]);
	MUST(marked_beside(event) == marked);
}

static void take_events(unsigned int most)
{
	char **event;

	for (; most-- && (event = xs_check_watch(store.handle)); free(event)) {
		struct device *d = device_of(event[XS_WATCH_TOKEN]);

		if (d)
			take_guest_event(d, event);
		else
			take_toolstack_event(event);
	}
	divide_helpers();
}

static void take_report(void)
{
	struct message m;

	if (!served_report(&m))
		return;
	control_handle_report(&world.control, &m);
	served_settle(&world.control);
}

static unsigned int watches_of(const struct device *d)
{
	char token[XENBUS_PATH_SIZE + 16];

	snprintf(token, sizeof(token), "frontend:%s", d->path);
	return store_watches(token);
}

/* Of a device that has taken up its guest's name, all rows have it. */
static void check_name(const struct device *d)
{
	unsigned int i;

	if (d->name_stale || !d->control_row ||
	    strcmp(d->control_row->key.name, d->guest->name))
		return;
	for (i = 0; i < d->queue_count; i++)
		if (d->queue[i] && d->phase != PHASE_DETACHING)
			MUST(!strcmp(d->queue[i]->row->key.name, d->guest->name));
}

static void check_device(const struct device *d)
{
	unsigned int watches = watches_of(d);

	check_name(d);
	MUST(watches <= DEVICE_WATCHES);
	if (d->guest->store_events > LIMIT_STORE_EVENTS)
		MUST(d->guest->throttled);
	if (d->guest->throttled)
		MUST(!watches);
}

/* At the end of a turn no wait and no event is left that nobody has paid. */
static void check(void)
{
	const struct charges *g = &world.control.charges;
	const struct device *d;
	const struct guest *guest;

	MUST(!g->wait && !g->owed && !g->events_unpaid && !meter_open(&g->books.meter));
	for (d = world.control.devices; d; d = d->next)
		check_device(d);
	for (guest = world.control.guests.first; guest; guest = guest->next)
		MUST(guest->devices && guest->bytes_left <= LIMIT_BYTES_PER_GUEST &&
		     guest->persistent_left <= LIMIT_PERSISTENT_PER_GUEST);
}

/* As in main.c. */
static void turn(uint8_t how, unsigned int most_events)
{
	struct control *c = &world.control;
	unsigned int causes =
		1 + !!(how & TAKE_REPORT) + !!(how & TAKE_HELPERS) + !!(how & TICK);

	if (how & LOOK) {
		charge_after_look(c, causes);
	} else {
		charge_before_wait(c);
		charge_after_wait(c, causes);
	}
	charge_cause(c);
	take_events(most_events);
	if (how & TAKE_REPORT) {
		charge_cause(c);
		take_report();
	}
	if (how & TAKE_HELPERS) {
		charge_cause(c);
		control_handle_helpers(c);
	}
	if (how & TICK) {
		charge_cause(c);
		next_second();
		charge_tick(c);
		control_tick(c);
	}
	charge(c, NULL);
	control_step(c);
	check();
}

static void some_turn(void)
{
	uint8_t how = input_8(&world.in);

	turn(how, how & TAKE_ALL ? LIMIT_WATCH_EVENTS : how >> 4);
}

static void stop(void)
{
	if (!world.control.stopping && input_8(&world.in) == 's')
		control_stop(&world.control);
}

static void calls_fail(void)
{
	static const int errors[] = { ENOENT, ENOMEM, EAGAIN, EACCES, EIO, EINVAL };
	uint8_t how = input_8(&world.in);

	if (how & 1) {
		served.taps_fail = how / 2 % 8;
		served.tap_dropped += how / 16;
	} else if (how & 2) {
		store.spoils = how / 4;
	} else {
		store.fail_after = input_8(&world.in);
		store.fails = how / 4;
		store.error =
			errors[input_8(&world.in) % (sizeof(errors) / sizeof(errors[0]))];
	}
}

/* ---- what happens ---- */

/* A guest, or the toolstack, in the midst of what the daemon does. */
static void meanwhile(void)
{
	outside_act(&world.in);
}

static void come_meanwhile(void)
{
	store.meanwhile_after = 1 + input_8(&world.in);
}

static void worker_acts(void)
{
	uint8_t which = input_8(&world.in);

	served_work(which, input_8(&world.in));
}

/* Half of all values are for what guests and the toolstack do. */
static void act(void)
{
	static void (*const acts[])(void) = { come_meanwhile, worker_acts, calls_fail,
					      stop, some_turn };
	uint8_t which = input_8(&world.in);

	if (which & 1)
		outside_act(&world.in);
	else
		acts[which / 2 % (sizeof(acts) / sizeof(acts[0]))]();
	/* A store would not send more, either, before some is taken. */
	if (store.events > STORE_MAX_EVENTS / 4)
		turn(TAKE_ALL, UINT32_MAX);
}

/* ---- the end ---- */

static void let_workers_act(void)
{
	unsigned int queues = served_queues();

	while (queues--)
		served_work(queues, 0);
}

static bool at_rest(void)
{
	const struct device *d;

	for (d = world.control.devices; d; d = d->next)
		if (d->dirty && !world.control.stopping)
			return false;
	return !store.events && !served_queues() && !served_questions() &&
	       !control_busy(&world.control);
}

static void whole_turn(void)
{
	let_workers_act();
	turn(TAKE_ALL | TAKE_REPORT | TAKE_HELPERS | TICK, LIMIT_WATCH_EVENTS);
}

/* The toolstack removes all that it has made, unless the daemon stops. */
static void close_all(void)
{
	unsigned int turns = 0;

	if (!world.control.stopping)
		store_remove("backend");
	for (; !at_rest(); turns++) {
		MUST(turns < MOST_TURNS);
		whole_turn();
	}
	if (world.control.stopping)
		return;
	MUST(!world.control.devices && !world.control.guests.first);
	MUST(!store_has("backend") && !store_has("error"));
}

/* Whatever has happened, who comes now is served. */
static void serve_an_honest_guest(void)
{
	unsigned int turns = 0;

	outside_honest();
	for (; !outside_honest_connected(); turns++) {
		MUST(turns < MOST_TURNS);
		whole_turn();
	}
}

/* A second later each frontend that there is can be served. */
static void check_served(void)
{
	const struct device *d;

	turn(TICK, 0);
	for (d = world.control.devices; d; d = d->next)
		MUST(watches_of(d) || !d->frontend[0] || !store_has(d->frontend));
}

/* What the store refused is written again: nobody waits for a Connected that got lost. */
static void check_published(void)
{
	const struct device *d;

	turn(TICK, 0);
	for (d = world.control.devices; d; d = d->next)
		if (d->phase == PHASE_CONNECTED && !d->dirty && !world.control.stopping)
			MUST(xenbus_read_state(store.handle, d->path) !=
			     XenbusStateInitWait);
}

/* Whatever cannot be read then, nobody is taken for dead. */
static void lose_store(unsigned int calls_later)
{
	const struct device *d;

	for (d = world.control.devices; d; d = d->next)
		store_put(d->path, "", 0);
	take_events(LIMIT_WATCH_EVENTS);
	store.lost_at = calls_later;
	control_step(&world.control);
	for (d = world.control.devices; d; d = d->next)
		MUST(d->phase == PHASE_CONNECTED && !d->gone);
	store.lost = false;
	store.lost_at = 0;
}

static void lose_store_at_any_call(void)
{
	unsigned int i;

	for (i = 1; i <= LOSSES; i++)
		lose_store(i);
}

/* Nothing fails any more, and the workers answer. */
static void come_to_an_end(void)
{
	store.fails = store.fail_after = store.spoils = store.meanwhile_after = 0;
	served.taps_fail = 0;
	check_served();
	check_published();
	close_all();
	if (world.control.stopping)
		return;
	serve_an_honest_guest();
	lose_store_at_any_call();
	close_all();
}

static void check_limits(void)
{
	const struct guest *g;

	for (g = world.control.guests.first; g; g = g->next)
		MUST(g->bytes_left == LIMIT_BYTES_PER_GUEST &&
		     g->persistent_left == LIMIT_PERSISTENT_PER_GUEST);
	MUST(!world.control.guests.first ||
	     world.control.guests.persistent_left == LIMIT_PERSISTENT_ALL);
}

static void check_nothing_left(void)
{
	MUST(!world.control.devices && !world.control.guests.first);
	MUST(!served.taps && !served.lanes && !served.net_queues);
	MUST(store_watches(NULL) == 1 && store_watches("backend") == 1);
}

/* ---- one input ---- */

static void begin(const uint8_t *data, size_t size)
{
	struct control *c = &world.control;

	memset(&world, 0, sizeof(world));
	world.in = (struct input){ data, size };
	store_reset();
	served_reset();
	store.meanwhile = meanwhile;
	store.written = written;
	outside_begin(&world.in);
	c->xs = store.handle;
	c->table = ledger_table();
	c->workers = served.workers;
	c->worker_count = SERVED_WORKERS;
	charge_open(c, 0, LEDGER_KHZ);
	MUST(xs_watch(c->xs, "backend", "backend"));
	charge_tick(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin(data, size);
	ledger_begin();
	while (world.in.left)
		act();
	come_to_an_end();
	check_limits();
	control_free(&world.control);
	check_nothing_left();
	charge_close(&world.control);
	ledger_check(&world.control.charges.books);
	store_reset();
	return 0;
}
