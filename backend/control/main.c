/* SPDX-License-Identifier: MIT */
/*
 * xenmeterd: options, start, the control thread's loop, stop.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "blame.h"
#include "clock.h"
#include "control.h"
#include "domain.h"
#include "domain_books.h"
#include "failure.h"
#include "guest_limits.h"
#include "log.h"
#include "probe.h"
#include "sandbox.h"
#include "storage.h"
#include "table.h"
#include "time_accounting.h"
#include "totals.h"
#include "trace.h"
#include "worker.h"

#define STOP_TIMEOUT_S 30

/* I/O that takes longer is done again by the next daemon. */
#define LEAVE_TIMEOUT_MS 800

/* Between looks at what a former life leaves in a moment. */
#define HURRY_MS 5

/* Whatever devices are waited for, the domain is measured then. */
#define LOAD_AT_LATEST_S 10

/* Of the file with what the kernel said of programs that it refused, beside the table. */
#define REFUSAL_SUFFIX ".refusal"

enum exit_code {
	EXIT_CLEAN = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_XEN = 3,
	EXIT_NO_STORE = 4,
	EXIT_NO_TABLE = 5,
	EXIT_NO_URING = 6,
	EXIT_NO_WAY_ON = 7,
};

struct options {
	unsigned int workers;
	const char *table;
	const char *user;    /* NULL: stay who we are */
	const char *storage; /* where systemd makes helpers; NULL: a launcher does */
	bool helper;	     /* be one */
	bool probe;
	bool release;
	bool report_failure;
	bool no_domain; /* not measured */
};

struct daemon {
	struct options options;
	struct control control;
	struct clock_info clock;
	uint64_t began;		 /* clock in main() */
	unsigned int loading_ms; /* from the fork to main(), in steps of 10 */
	bool resumption_said;
	struct totals *totals;
	struct domain_loading loading;
	int loader_err;
	unsigned int ticks;	     /* of this life, seconds */
	struct domain_meter *domain; /* NULL: not measured */
	struct domain_books *domain_books;
	struct watch watch; /* of each thread, but for its `time` */
	int report_pipe[2];
	int signal_fd;
	int timer_fd;
	int lock_fd;
	unsigned int stopping_for; /* seconds */
	bool more_events;	   /* watch events are left to be taken */
	bool stop;
	bool failed;
	bool abandoned; /* I/O in flight is left to its journals */
};

/* ---- options ---- */

const char *argp_program_version = "xenmeterd " XENMETER_VERSION;

static const struct argp_option option_list[] = {
	{ "workers", 'w', "N", 0,
	  "Serve with N threads (1 to 64; default: one for each CPU, at most 4)", 0 },
	{ "table", 't', "FILE", 0, "Account into FILE (default " TABLE_DEFAULT_PATH ")",
	  0 },
	{ "user", 'u', "NAME", 0,
	  "Drop to this user and few privileges when devices are open", 0 },
	{ "storage", 's', "SOCKET", 0,
	  "Get storage helpers from SOCKET (systemd's) instead of a launcher", 0 },
	{ "storage-helper", 'S', NULL, OPTION_HIDDEN, "Be one, on standard input", 0 },
	{ "probe", 'p', NULL, 0, "Print what this domain offers, and exit", 0 },
	{ "release", 'r', NULL, 0,
	  "Close all devices that a former daemon served, and exit", 0 },
	{ "domain", 'd', "on|off", 0,
	  "Measure all CPU of this domain, not only ours (default: on where the kernel "
	  "can)",
	  0 },
	{ "report-failure", 'f', NULL, 0,
	  "Write into the error of devices that wait that nobody serves, and exit", 0 },
	{ "verbose", 'v', NULL, 0, "Log more", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;

	switch (key) {
	case 'w':
		o->workers = strtoul(arg, &end, 10);
		if (*end || end == arg || !o->workers || o->workers > MAX_WORKERS)
			argp_error(state, "--workers: '%s' is not a number from 1 to %d",
				   arg, MAX_WORKERS);
		return 0;
	case 't':
		o->table = arg;
		return 0;
	case 'u':
		o->user = arg;
		return 0;
	case 's':
		o->storage = arg;
		return 0;
	case 'S':
		o->helper = true;
		return 0;
	case 'p':
		o->probe = true;
		return 0;
	case 'r':
		o->release = true;
		return 0;
	case 'f':
		o->report_failure = true;
		return 0;
	case 'd':
		if (strcmp(arg, "on") && strcmp(arg, "off"))
			argp_error(state, "--domain: '%s' is neither on nor off", arg);
		o->no_domain = !strcmp(arg, "off");
		return 0;
	case 'v':
		log_set_level(LOG_LEVEL_DEBUG);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not an option", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp parser = {
	.options = option_list,
	.parser = parse_option,
	.doc = "Serve Xen guests' disks and network interfaces from user space, and "
	       "charge each guest the exact CPU cycles that it costs.\vRuns in the "
	       "foreground, in dom0 or a driver domain, in place of xen-blkback and "
	       "xen-netback. Read the charges with xenmeter(1). See xenmeterd(8).",
};

/* ---- start ---- */

/* Until main(), since this process was made: the 22nd field of its stat (proc(5)). */
static unsigned int loading_ms(void)
{
	char text[1024] = "";
	const char *at;
	struct timespec now;
	unsigned int field;
	int64_t ms;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	clock_gettime(CLOCK_BOOTTIME, &now);
	ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (at)
		ms -= strtoll(at, NULL, 10) * 1000 / sysconf(_SC_CLK_TCK);
	return at && ms > 0 ? ms : 0;
}

/* One that we make is our group's, too: journals come and go there. */
static void make_table_directory(const struct daemon *d)
{
	char dir[4096];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", d->options.table);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	if (mkdir(dir, 0755)) {
		if (errno != EEXIST)
			log_debug("%s: cannot make it: %s", dir, strerror(errno));
		return;
	}
	if (d->options.user && chmod(dir, 0775))
		log_warning("%s: cannot let our group write there: %s", dir,
			    strerror(errno));
}

/* Two daemons would fight for the same devices and the same table. */
static int lock_table(struct daemon *d)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s.lock", d->options.table) >=
	    (int)sizeof(path)) {
		log_error("--table: the path is too long");
		return EXIT_NO_TABLE;
	}
	make_table_directory(d);
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (d->lock_fd < 0) {
		log_error("%s: %s; choose another place with --table, or run as root",
			  path, strerror(errno));
		return EXIT_NO_TABLE;
	}
	if (flock(d->lock_fd, LOCK_EX | LOCK_NB)) {
		log_error("another xenmeterd is accounting into %s; stop that one first",
			  d->options.table);
		return EXIT_FAILED;
	}
	return EXIT_CLEAN;
}

static int open_store(struct daemon *d)
{
	d->control.xs = xs_open(0);
	if (d->control.xs)
		return EXIT_CLEAN;
	log_error(
		"cannot reach xenstore: %s; is this a Xen domain, and does xenstored run "
		"(or is xenfs mounted)?",
		strerror(errno));
	return EXIT_NO_STORE;
}

/* A table that goes on has the rate; while it is measured anew, guests would wait. */
static void calibrate_clock(struct daemon *d)
{
	clock_calibrate(CLOCK_GLANCE_NS, &d->clock);
	if (table_probe(d->options.table, &d->clock))
		clock_calibrate(CLOCK_CALIBRATION_NS, &d->clock);
	if (d->clock.kind != CLOCK_TSC_INVARIANT)
		log_warning("this CPU's time stamp counter may change its rate: cycles "
			    "are not seconds");
	if (d->clock.read_cycles > CLOCK_EMULATED_CYCLES)
		log_warning(
			"reading the time stamp counter costs %u cycles: the hypervisor "
			"emulates it; set tsc_mode=\"native\" for this domain",
			d->clock.read_cycles);
}

static void say_past(const struct daemon *d, const struct table_past *past)
{
	const char *path = d->options.table;

	switch (past->origin) {
	case TABLE_NEW:
		return;
	case TABLE_SET_ASIDE:
		log_warning("%s: cannot go on in what is there: a new one begins, and it "
			    "is kept as %s" TABLE_OLD_SUFFIX,
			    path, path);
		return;
	case TABLE_CONVERTED:
		log_info("%s is of an older version: it is kept as %s" TABLE_OLD_SUFFIX,
			 path, path);
		break;
	case TABLE_GOES_ON:
		break;
	}
	log_info("%s: accounts go on, in life %" PRIu32 " of the daemon; %u settlements "
		 "that the last one's death cut off are undone",
		 path, table_life(d->control.table), past->undone);
}

static int make_table(struct daemon *d)
{
	unsigned int threads = d->options.workers + 1; /* and ourselves */
	struct control *c = &d->control;
	struct table_past past;
	int err = table_open(d->options.table, &d->clock, threads, LIMIT_ROWS, &c->table,
			     &past);

	if (!err)
		say_past(d, &past);
	if (!err)
		err = trace_create(d->options.table, c->table, &d->clock,
				   d->options.workers, TRACE_RECORDS, &c->trace);
	if (err) {
		log_error("%s: cannot make the accounting table or its trace: %s",
			  d->options.table, strerror(-err));
		return EXIT_NO_TABLE;
	}
	charge_open(c, d->options.workers, d->clock.khz);
	c->placement.khz = d->clock.khz;
	c->journals = d->options.table;
	lives_find(&c->lives, c->journals);
	return EXIT_CLEAN;
}

static int await_worker(struct daemon *d)
{
	struct message m;

	if (read(d->report_pipe[0], &m, sizeof(m)) != sizeof(m))
		return EXIT_FAILED;
	switch (m.started) {
	case WORKER_WELL:
		return EXIT_CLEAN;
	case WORKER_NO_URING:
		return EXIT_NO_URING;
	case WORKER_NO_XEN:
		return EXIT_NO_XEN;
	case WORKER_NO_SANDBOX:
		return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

static uint64_t memory_bytes(void)
{
	uint64_t pages = sysconf(_SC_PHYS_PAGES);

	return pages * sysconf(_SC_PAGESIZE);
}

/* All guests' data together take at most three quarters of the domain's memory: half in
 * the workers' buffers, of which each worker has its part, and a quarter in lanes. */
static uint64_t buffer_bytes(unsigned int workers)
{
	return memory_bytes() / 2 / workers;
}

/* As Xen numbers it; DOMID_SELF if the store does not say. */
static uint32_t own_domid(const struct control *c)
{
	char *text = xs_read(c->xs, XBT_NULL, "domid", NULL);
	uint32_t domid = text ? strtoul(text, NULL, 10) : DOMID_SELF;

	free(text);
	return domid;
}

static int start_workers(struct daemon *d)
{
	struct control *c = &d->control;
	struct worker_config config = { .workers = d->options.workers,
					.table = c->table,
					.trace = c->trace,
					.khz = d->clock.khz,
					.watch = d->watch,
					.report_fd = d->report_pipe[1],
					.domid = own_domid(c),
					.buffer_bytes =
						buffer_bytes(d->options.workers) };

	lane_limit_memory(memory_bytes() / 4);
	c->workers = calloc(d->options.workers, sizeof(c->workers[0]));
	if (!c->workers)
		return EXIT_FAILED;
	for (; c->worker_count < d->options.workers; c->worker_count++) {
		int err, code;

		config.index = c->worker_count;
		err = worker_start(&config, &c->workers[c->worker_count]);
		if (err) {
			log_error("cannot start a worker: %s", strerror(-err));
			return EXIT_FAILED;
		}
		code = await_worker(d);
		if (code) {
			c->worker_count++;
			return code;
		}
	}
	return EXIT_CLEAN;
}

/* Without them, only those who can read the table know what guests cost. */
static void start_totals(struct daemon *d)
{
	int err = totals_start(d->options.table, d->control.xs, &d->totals);

	if (err)
		log_warning("no totals in xenstore: %s", strerror(-err));
}

/* A shell allows 1024, which 100 network devices or so would use up. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warning("cannot raise the limit of open files: %s", strerror(errno));
}

static int open_descriptors(struct daemon *d)
{
	struct itimerspec second = { { 1, 0 }, { 1, 0 } };
	sigset_t signals;

	raise_descriptor_limit();
	/* Before any thread is made, so that all of them leave signals to us. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* who has ended needs nobody who asks how */
	d->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
	d->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (d->signal_fd < 0 || d->timer_fd < 0 || pipe2(d->report_pipe, O_CLOEXEC) ||
	    timerfd_settime(d->timer_fd, 0, &second, NULL)) {
		log_error("cannot set up: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_CLEAN;
}

/* Whatever refuses the programs, guests are served and charged all the same. */
static void say_not_measured(const struct daemon *d, int err, bool said_is_kept)
{
	table_set_domain_absence(d->control.table, domain_absence(err));
	if (said_is_kept)
		log_info("the domain's CPU is not measured: %s; what the kernel said of "
			 "the programs is in %s" REFUSAL_SUFFIX,
			 domain_refusal(err), d->options.table);
	else
		log_info("the domain's CPU is not measured: %s", domain_refusal(err));
}

static void announce_domain(const struct daemon *d)
{
	if (d->loading.socket >= 0)
		table_set_domain_absence(d->control.table, DOMAIN_NOT_YET);
	else if (d->loader_err)
		say_not_measured(d, d->loader_err, false);
	else
		table_set_domain_absence(d->control.table, DOMAIN_OFF);
}

/* By the kernel's clocks alone, until the domain is measured. */
static void watch_threads(struct daemon *d)
{
	d->watch.irq = time_accounting_irq();
	d->watch.steal = time_accounting_steal();
	table_set_time_accounting(d->control.table, d->watch.irq, d->watch.steal);
	charge_watch(&d->control, &d->watch);
}

/* The lock and the table are its group's. */
static int take_group(struct daemon *d)
{
	const char *user = d->options.user;
	int err = user ? sandbox_take_group(user) : 0;

	if (!err)
		return EXIT_CLEAN;
	if (err == -ENOENT)
		log_error("--user: there is no user %s; make one with systemd-sysusers "
			  "(for the installed xenmeter.conf) or adduser --system --group "
			  "--no-create-home %s",
			  user, user);
	else
		log_error("--user: cannot take the group of %s: %s; run as root", user,
			  strerror(-err));
	return EXIT_FAILED;
}

/* Threads inherit what is left. */
static int drop_rights(struct daemon *d)
{
	int err = d->options.user ? sandbox_drop(d->options.user) : 0;

	if (!err)
		return EXIT_CLEAN;
	log_error("cannot drop privileges and become %s: %s", d->options.user,
		  strerror(-err));
	return EXIT_FAILED;
}

/* Before libxenstore makes its thread. */
static int shed_perf_rights(void)
{
	int err = sandbox_shed();

	if (!err)
		return EXIT_CLEAN;
	log_error("cannot drop the capabilities kept until now: %s", strerror(-err));
	return EXIT_FAILED;
}

static int close_sandbox(struct daemon *d)
{
	int err = d->options.user ? sandbox_close() : 0;

	if (!err)
		return EXIT_CLEAN;
	log_error("cannot close the sandbox: %s", strerror(-err));
	return EXIT_FAILED;
}

/* Storage helpers are not to come from a process that has anything to lose. */
static int start_launcher(struct daemon *d)
{
	struct storage_source *source = &d->control.storage_source;
	int err = 0;

	source->path = d->options.storage;
	if (!source->path)
		err = launcher_start(d->options.user, &source->launcher);
	if (!err)
		err = storage_listen(source);
	if (!err)
		return EXIT_CLEAN;
	log_error("cannot prepare for storage helpers: %s", strerror(-err));
	return EXIT_FAILED;
}

/* While we may load programs into the kernel. */
static void start_loader(struct daemon *d)
{
	if (d->options.no_domain || d->options.release)
		return;
	d->loader_err = domain_loader_start(d->options.user, &d->loading.socket);
}

/* What one asks first where something is wrong. */
static void say_what_we_are(const struct options *o)
{
	struct utsname system = { 0 };

	uname(&system);
	log_debug("xenmeterd " XENMETER_VERSION
		  ", tables of version %u, traces of version "
		  "%u; %s %s %s",
		  TABLE_VERSION, TRACE_VERSION, system.sysname, system.release,
		  system.machine);
	log_debug("table %s, trace %s" TRACE_SUFFIX
		  ", journals %s.journal.*, xenstore %s",
		  o->table, o->table, o->table, xs_daemon_socket());
	log_debug("pid %d, uid %u, user %s, %u worker%s, domain's meter %s",
		  (int)getpid(), (unsigned int)getuid(), o->user ? o->user : "unchanged",
		  o->workers, o->workers == 1 ? "" : "s", o->no_domain ? "off" : "on");
}

static int daemon_start(struct daemon *d)
{
	int code;

	say_what_we_are(&d->options);
	code = start_launcher(d);
	if (code)
		return code;
	start_loader(d);
	code = open_descriptors(d);
	if (!code && blame_catch())
		code = EXIT_FAILED;
	if (!code)
		code = worker_probe_devices() ? EXIT_NO_XEN : EXIT_CLEAN;
	if (!code)
		code = open_store(d);
	if (!code)
		code = take_group(d);
	if (!code)
		code = lock_table(d);
	if (code)
		return code;
	calibrate_clock(d);
	code = make_table(d);
	if (!code) {
		announce_domain(d);
		watch_threads(d);
	}
	if (!code)
		code = drop_rights(d);
	if (!code)
		code = start_workers(d);
	if (!code)
		code = shed_perf_rights();
	if (!code && !xs_watch(d->control.xs, "backend", "backend")) {
		log_error("cannot watch our backend directory in xenstore: %s",
			  strerror(errno));
		code = EXIT_NO_STORE;
	}
	/* The first watch has made libxenstore's thread, which reads for us. */
	if (!code)
		charge_tick(&d->control);
	if (!code)
		taps_find(&d->control.taps);
	if (!code)
		start_totals(d);
	if (!code)
		code = close_sandbox(d);
	return code;
}

/* ---- the loop ---- */

/* Rings need no store: whoever is connected is served on. */
static void lose_store(struct daemon *d)
{
	d->control.store_lost = true;
	log_error("xenstored is gone: connected guests are served on, but no device can "
		  "come, change or go; start xenmeterd again when xenstored runs");
	sd_notify(0, "STATUS=xenstored is gone");
}

/* A guest that rewrites its keys for ever must not keep us here (XSA-349). */
static void take_watch_events(struct daemon *d)
{
	unsigned int taken;

	if (d->control.store_lost)
		return;
	for (taken = 0; taken < LIMIT_WATCH_EVENTS; taken++) {
		char **event = xs_check_watch(d->control.xs);

		d->more_events = event;
		if (!event)
			break;
		control_handle_event(&d->control, event[XS_WATCH_PATH],
				     event[XS_WATCH_TOKEN]);
		free(event);
	}
	if (!d->more_events && errno != EAGAIN)
		lose_store(d);
	charge_store(&d->control);
}

static void take_reports(struct daemon *d)
{
	struct message m;

	if (read(d->report_pipe[0], &m, sizeof(m)) == sizeof(m))
		control_handle_report(&d->control, &m);
}

static void take_helpers(struct daemon *d)
{
	control_handle_helpers(&d->control);
}

/* The programs know this kernel best. */
static void watch_domain(struct daemon *d)
{
	const struct kernel_costs *costs = domain_costs(d->domain);
	struct control *c = &d->control;
	struct watch own = costs->watch;
	unsigned int i;

	table_set_time_accounting(c->table, own.irq, own.steal);
	own.time = thread_time_claim(costs->thread, gettid());
	charge_watch(c, &own);
	for (i = 0; i < c->worker_count; i++)
		worker_set_costs(c->workers[i], costs);
}

static int take_loaded(struct daemon *d, bool *ret_said_is_kept)
{
	char *refusal;
	int err;

	*ret_said_is_kept = false;
	if (asprintf(&refusal, "%s" REFUSAL_SUFFIX, d->options.table) < 0)
		return -ENOMEM;
	err = domain_take(d->loading.socket, refusal, &d->domain, ret_said_is_kept);
	free(refusal);
	if (err)
		return err;
	err = domain_books_open(d->domain, d->control.table, &d->domain_books);
	if (err) {
		domain_stop(d->domain);
		d->domain = NULL;
	}
	return err;
}

static void take_domain(struct daemon *d)
{
	bool said_is_kept;
	int err = take_loaded(d, &said_is_kept);

	domain_loading_end(&d->loading);
	if (err) {
		say_not_measured(d, err, said_is_kept);
		return;
	}
	watch_domain(d);
	table_set_domain_absence(d->control.table, DOMAIN_PRESENT);
	log_info("the domain's CPU is measured by programs in the kernel%s",
		 domain_lacks(d->domain));
}

static void take_tick(struct daemon *d)
{
	uint64_t expired;
	int err;

	if (read(d->timer_fd, &expired, sizeof(expired)) != sizeof(expired))
		return;
	table_heartbeat(d->control.table);
	if (++d->ticks == LOAD_AT_LATEST_S)
		domain_loading_go(&d->loading);
	err = domain_loading_tick(&d->loading);
	if (err)
		say_not_measured(d, err, false);
	domain_books_tick(d->domain_books);
	charge_tick(&d->control);
	/* libxenstore's descriptor does not show that the store is gone. */
	take_watch_events(d);
	control_tick(&d->control);
	if (!d->control.store_lost)
		totals_tick(d->totals);
	charge_nobody(&d->control);
	if (!d->stop)
		return;
	d->stopping_for++;
	if (d->control.leaving) {
		log_warning("%u devices still have I/O in flight: the next daemon does "
			    "it again",
			    control_busy(&d->control));
		d->abandoned = true;
	}
	if (d->stopping_for >= STOP_TIMEOUT_S) {
		log_error("%u devices still have I/O in flight after %d s; they are left",
			  control_busy(&d->control), STOP_TIMEOUT_S);
		d->failed = true;
	}
}

/* The next tick is the end of it; see take_tick(). */
static void begin_leave(struct daemon *d)
{
	struct itimerspec then = { { 1, 0 }, { 0, LEAVE_TIMEOUT_MS * 1000000 } };

	d->control.leaving = true;
	timerfd_settime(d->timer_fd, 0, &then, NULL);
}

static void begin_stop(struct daemon *d)
{
	d->stop = true;
	sd_notify(0, "STOPPING=1");
	log_info("stopping");
	control_stop(&d->control);
}

static void take_signal(struct daemon *d)
{
	struct signalfd_siginfo info;

	if (read(d->signal_fd, &info, sizeof(info)) != sizeof(info) || d->stop)
		return;
	if (!d->options.release)
		begin_leave(d);
	begin_stop(d);
}

/* What connects meanwhile is waited for. */
static void release_devices(struct daemon *d)
{
	if (d->options.release && !d->stop && d->control.swept && !d->control.hurry &&
	    !control_attaching(&d->control))
		begin_stop(d);
}

static uint64_t process_cpu_ms(void)
{
	struct timespec ran;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ran);
	return ran.tv_sec * 1000 + ran.tv_nsec / 1000000;
}

/* How long guests waited for us, less what ended the last daemon. On a busy machine, what
 * we ran tells more than what passed. */
static void say_resumption(struct daemon *d)
{
	const struct control *c = &d->control;
	uint64_t ms;

	if (d->resumption_said || !c->swept || control_resuming(c))
		return;
	d->resumption_said = true;
	domain_loading_go(&d->loading);
	if (!c->resumed)
		return;
	ms = clock_cycles_to_ns(c->resumed_at - d->began, d->clock.khz) / 1000000;
	log_info("%u devices go on %" PRIu64 " ms after main() began; this process was "
		 "%" PRIu64 " ms old by then, and has run for %" PRIu64 " ms",
		 c->resumed, ms, ms + d->loading_ms, process_cpu_ms());
}

/* What the control thread waits for; taken in this order. */
enum { WAIT_SIGNAL, WAIT_STORE, WAIT_REPORT, WAIT_HELPER, WAIT_DOMAIN, WAIT_TICK, WAITS };

static void (*const take[WAITS])(struct daemon *d) = {
	[WAIT_SIGNAL] = take_signal,  [WAIT_STORE] = take_watch_events,
	[WAIT_REPORT] = take_reports, [WAIT_HELPER] = take_helpers,
	[WAIT_DOMAIN] = take_domain,  [WAIT_TICK] = take_tick,
};

/* Sleep until there is something to do, and say what: `revents` of each. */
static void daemon_wait(struct daemon *d, struct pollfd *fds)
{
	unsigned int causes = 0, i;
	bool look = d->more_events;

	fds[WAIT_DOMAIN].fd = d->loading.socket;
	if (d->control.store_lost)
		fds[WAIT_STORE].fd = -1;
	if (!look)
		charge_before_wait(&d->control);
	if (poll(fds, WAITS, look ? 0 : d->control.hurry ? HURRY_MS : -1) < 0)
		for (i = 0; i < WAITS; i++)
			fds[i].revents = 0;
	/* libxenstore may hold events that its descriptor does not show. */
	if (look)
		fds[WAIT_STORE].revents |= POLLIN;
	for (i = 0; i < WAITS; i++)
		causes += fds[i].revents != 0;
	if (look)
		charge_after_look(&d->control, causes);
	else
		charge_after_wait(&d->control, causes);
}

static void daemon_loop(struct daemon *d)
{
	struct pollfd fds[WAITS] = {
		[WAIT_SIGNAL] = { .fd = d->signal_fd, .events = POLLIN },
		[WAIT_STORE] = { .fd = xs_fileno(d->control.xs), .events = POLLIN },
		[WAIT_REPORT] = { .fd = d->report_pipe[0], .events = POLLIN },
		[WAIT_HELPER] = { .fd = d->control.storage_source.events,
				  .events = POLLIN },
		[WAIT_DOMAIN] = { .fd = d->loading.socket, .events = POLLIN },
		[WAIT_TICK] = { .fd = d->timer_fd, .events = POLLIN },
	};
	unsigned int i;

	while (!d->failed && !d->abandoned && !(d->stop && !control_busy(&d->control))) {
		daemon_wait(d, fds);
		if (d->control.hurry)
			control_hurry(&d->control);
		for (i = 0; i < WAITS; i++) {
			if (!fds[i].revents)
				continue;
			charge_cause(&d->control);
			take[i](d);
		}
		charge(&d->control, NULL);
		control_step(&d->control);
		say_resumption(d);
		release_devices(d);
	}
}

/* ---- stop ---- */

static void daemon_stop(struct daemon *d)
{
	struct control *c = &d->control;
	unsigned int i;

	if (d->failed || d->abandoned)
		return; /* workers may hold I/O: the kernel cleans up after us */
	for (i = 0; i < c->worker_count; i++)
		worker_stop(c->workers[i]);
	free(c->workers);
	control_free(c);
	totals_stop(d->totals);
	domain_books_close(d->domain_books);
	charge_close(c);
	domain_stop(d->domain);
	xs_close(c->xs);
	trace_destroy(c->trace);
	table_destroy(c->table);
	if (d->lock_fd >= 0)
		close(d->lock_fd);
	close(d->report_pipe[0]);
	close(d->report_pipe[1]);
	if (!c->storage_source.path)
		close(c->storage_source.launcher);
	close(c->storage_source.events);
	close(d->signal_fd);
	close(d->timer_fd);
	domain_loading_end(&d->loading);
}

static int probe_code(const struct options *o)
{
	switch (probe(o->table)) {
	case PROBE_WELL:
		return EXIT_CLEAN;
	case PROBE_NO_XEN:
		return EXIT_NO_XEN;
	case PROBE_NO_STORE:
		return EXIT_NO_STORE;
	case PROBE_NO_URING:
		return EXIT_NO_URING;
	case PROBE_NO_WAY_ON:
		return EXIT_NO_WAY_ON;
	}
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct daemon d = {
		.options = { .workers = placement_default_workers(),
			     .table = TABLE_DEFAULT_PATH },
		.lock_fd = -1,
		.loading = { .socket = -1 },
		.began = clock_now(),
		.loading_ms = loading_ms(),
	};
	int code;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&parser, argc, argv, 0, NULL, &d.options);
	if (d.options.probe)
		return probe_code(&d.options);
	if (d.options.report_failure)
		return failure_report() ? EXIT_NO_STORE : EXIT_CLEAN;
	if (d.options.helper)
		return sandbox_give_up(NULL, STDIN_FILENO)
			       ? EXIT_FAILED
			       : storage_helper_run(STDIN_FILENO);
	code = daemon_start(&d);
	if (code)
		return code;
	log_info("serving with %u worker%s, accounting into %s", d.options.workers,
		 d.options.workers == 1 ? "" : "s", d.options.table);
	sd_notify(0, "READY=1");
	daemon_loop(&d);
	daemon_stop(&d);
	if (d.failed)
		return EXIT_FAILED;
	log_info("stopped");
	/* Workers still run where I/O hangs: nothing is taken from under them. */
	if (d.abandoned)
		_exit(EXIT_CLEAN);
	return EXIT_CLEAN;
}
