/* SPDX-License-Identifier: MIT */
/*
 * xenmeter top on a screen: pages, and the keys that change them.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <curses.h>

#include "top.h"

#define KEY_ESCAPE 27

enum colour { COLOUR_TITLES = 1, COLOUR_BUSY };

struct screen {
	struct top *top;
	bool colours;
	int err;	    /* of the last reading */
	const char *prompt; /* NULL: no line is being typed */
	char typed[TOP_FILTER];
	double due; /* next reading, monotonic seconds */
	bool over;
};

static double now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* ---- drawing ---- */

static void put_line(int y, const char *text, size_t length, attr_t attributes)
{
	char line[1024];

	snprintf(line, sizeof(line) - 4, "%.*s", (int)length, text);
	text_clean(line);
	text_cut(line, COLS > 0 ? COLS : 1);
	attrset(attributes);
	mvaddstr(y, 0, line);
	/* A line that stands out does so in full. */
	if (attributes)
		mvhline(y, (int)text_width(line), ' ' | attributes,
			COLS - (int)text_width(line));
	attrset(A_NORMAL);
}

static attr_t line_attributes(const struct screen *s, const struct page *p, int y,
			      const char *line)
{
	if (y == p->selected && s->top->view != TOP_WORKERS)
		return A_REVERSE;
	if (y == p->titles)
		return A_BOLD | (s->colours ? COLOR_PAIR(COLOUR_TITLES) : A_UNDERLINE);
	/* A bar without a gap. */
	if (y > 0 && s->colours && strstr(line, "||] "))
		return COLOR_PAIR(COLOUR_BUSY);
	return A_NORMAL;
}

static void draw_bottom(const struct screen *s)
{
	const struct top *t = s->top;
	char line[256];

	if (s->prompt)
		snprintf(line, sizeof(line), "%s%s_", s->prompt, s->typed);
	else if (s->err)
		snprintf(line, sizeof(line), "%s: %s", t->path, strerror(-s->err));
	else
		snprintf(line, sizeof(line),
			 "? keys  q %s  Enter guest  / filter%s%s  s by %s  every %g s",
			 t->view == TOP_GUESTS ? "quit" : "back", t->filter[0] ? " " : "",
			 t->filter, sort_name(t->sort), t->delay);
	put_line(LINES - 1, line, strlen(line), A_REVERSE);
}

static int draw(struct screen *s)
{
	struct page page;
	const char *line, *end;
	int err = top_group(s->top), y = 0;

	if (!err)
		err = top_make_page(s->top, LINES > 1 ? LINES - 1 : 1, COLS, &page);
	if (err)
		return err;
	erase();
	for (line = page.text; *line && y < LINES - 1; line = end + 1, y++) {
		end = strchrnul(line, '\n');
		put_line(y, line, end - line, line_attributes(s, &page, y, line));
		if (!*end)
			break;
	}
	free(page.text);
	draw_bottom(s);
	refresh();
	return 0;
}

/* ---- keys ---- */

static void select_by(struct top *t, long by)
{
	long at = (long)t->selected + by, last = (long)t->groups.count - 1;

	if (at > last)
		at = last;
	t->selected = at < 0 ? 0 : at;
}

static const struct xenmeter_row *selected_row(const struct top *t)
{
	if (t->view == TOP_GUEST)
		return &t->guest;
	if (t->selected >= t->groups.count)
		return NULL;
	return &t->groups.group[t->selected].newest->row;
}

static void show_guest(struct screen *s)
{
	struct top *t = s->top;
	const struct xenmeter_row *row = selected_row(t);

	if (!row || t->view == TOP_GUEST)
		return;
	t->guest = *row;
	t->view = TOP_GUEST;
	s->due = fmin(s->due, now_seconds() + TOP_FIRST);
}

/* As an escape sequence of a key that is none of these begins with one, too. */
static bool ends_trace(char key)
{
	return key == 'q' || key == 'Q' || key == KEY_ESCAPE;
}

/* Return: whether it ended by itself, so that what it said is still to be read. */
static bool await_trace(pid_t pid)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	char key;

	while (!waitpid(pid, NULL, WNOHANG)) {
		if (poll(&input, 1, 100) <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) == 1 && !ends_trace(key))
			continue;
		kill(pid, SIGINT);
		waitpid(pid, NULL, 0);
		return false;
	}
	return true;
}

static pid_t start_trace(const struct top *t, uint32_t domid)
{
	char text[TEXT_NUMBER];
	pid_t pid;

	snprintf(text, sizeof(text), "%u", domid);
	pid = fork();
	if (pid)
		return pid;
	signal(SIGINT, SIG_DFL);
	execl("/proc/self/exe", "xenmeter", "trace", "--table", t->path, "--guest", text,
	      (char *)NULL);
	_exit(127);
}

/* On the same terminal. */
static void run_trace_of_guest(struct screen *s)
{
	const struct xenmeter_row *row = selected_row(s->top);
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	struct termios cooked, raw;
	char key;
	pid_t pid;

	if (!row)
		return;
	def_prog_mode();
	endwin();
	tcgetattr(STDIN_FILENO, &cooked);
	raw = cooked;
	raw.c_lflag &= ~(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	sigaction(SIGINT, &ignore, &old);
	puts("q ends the trace.");
	fflush(stdout);
	pid = start_trace(s->top, row->domid);
	if (pid < 0 || await_trace(pid)) {
		puts("Press a key.");
		fflush(stdout);
		s->over = read(STDIN_FILENO, &key, 1) <= 0;
	}
	sigaction(SIGINT, &old, NULL);
	tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
	reset_prog_mode();
	clearok(curscr, TRUE);
}

static void go_back(struct screen *s)
{
	struct top *t = s->top;

	if (t->view == TOP_GUESTS && t->filter[0])
		t->filter[0] = '\0';
	else if (t->view == TOP_GUESTS)
		s->over = true;
	t->view = TOP_GUESTS;
}

static void begin_typing(struct screen *s, const char *prompt, const char *text)
{
	s->prompt = prompt;
	snprintf(s->typed, sizeof(s->typed), "%s", text);
}

/* A filter shows what it does while it is typed. */
static void end_typing(struct screen *s, bool take)
{
	bool filter = s->prompt[0] == '/';
	double delay = strtod(s->typed, NULL);

	s->prompt = NULL;
	if (filter && !take)
		s->top->filter[0] = '\0';
	if (!filter && take && delay >= 0.1 && delay <= 3600)
		s->top->delay = delay;
}

static void handle_typing(struct screen *s, int key)
{
	size_t length = strlen(s->typed);

	if (key == '\n' || key == KEY_ENTER || key == KEY_ESCAPE) {
		end_typing(s, key != KEY_ESCAPE);
		return;
	}
	if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		/* The last character, not the last byte of it. */
		while (length && (s->typed[--length] & 0xc0) == 0x80)
			;
		s->typed[length] = '\0';
	} else if (key >= ' ' && key < 256 && length + 1 < sizeof(s->typed)) {
		s->typed[length] = (char)key;
		s->typed[length + 1] = '\0';
	}
	if (s->prompt[0] == '/')
		strcpy(s->top->filter, s->typed);
}

static void handle_movement(struct top *t, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		select_by(t, -1);
		return;
	case KEY_DOWN:
	case 'j':
		select_by(t, 1);
		return;
	case KEY_PPAGE:
		select_by(t, -(LINES / 2));
		return;
	case KEY_NPAGE:
		select_by(t, LINES / 2);
		return;
	case KEY_HOME:
		t->selected = 0;
		return;
	case KEY_END:
		select_by(t, (long)t->groups.count);
		return;
	}
}

static void handle_view_key(struct screen *s, int key)
{
	struct top *t = s->top;

	switch (key) {
	case 'g':
		t->view = TOP_GUESTS;
		return;
	case 'd':
	case 'B':
		t->view = t->view == TOP_DEVICES ? TOP_GUESTS : TOP_DEVICES;
		return;
	case 'w':
		t->view = t->view == TOP_WORKERS ? TOP_GUESTS : TOP_WORKERS;
		return;
	case '?':
	case 'h':
		t->view = TOP_HELP;
		return;
	case '\n':
	case KEY_ENTER:
		show_guest(s);
		return;
	case 't':
		run_trace_of_guest(s);
		return;
	case 'q':
	case 'Q':
	case KEY_ESCAPE:
		go_back(s);
		return;
	}
	handle_movement(t, key);
}

static void handle_key(struct screen *s, int key)
{
	struct top *t = s->top;

	switch (key) {
	case 's':
	case 'S':
	case KEY_RIGHT:
		t->sort = sort_next(t->sort);
		return;
	case KEY_LEFT:
		t->sort = sort_previous(t->sort);
		return;
	case 'r':
		t->reverse = !t->reverse;
		return;
	case 'a':
		t->accumulate = !t->accumulate;
		return;
	case 'o':
		t->active = !t->active;
		return;
	case 'e':
		t->split = !t->split;
		return;
	case '/':
		begin_typing(s, "/", t->filter);
		return;
	case 'D':
		begin_typing(s, "seconds between readings: ", "");
		return;
	case ' ':
		s->due = 0;
		return;
	}
	handle_view_key(s, key);
}

/* ---- running ---- */

static volatile sig_atomic_t asked_to_end;

static void end_top(int number)
{
	(void)number;
	asked_to_end = 1;
}

static void start_screen(struct screen *s)
{
	set_escdelay(50);
	initscr();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	curs_set(0);
	s->colours = !getenv("NO_COLOR") && has_colors() && start_color() == OK;
	if (!s->colours)
		return;
	use_default_colors();
	init_pair(COLOUR_TITLES, COLOR_CYAN, -1);
	init_pair(COLOUR_BUSY, COLOR_RED, -1);
}

/* Return: ERR if none was pressed until the next reading is due. */
static int next_key(struct screen *s)
{
	double left;
	int key;

	do {
		top_trace_collect(s->top);
		left = s->due - now_seconds();
		if (s->top->view == TOP_GUEST && left > TOP_SLICE)
			left = TOP_SLICE;
		timeout(left > 0 ? (int)(left * 1000) + 1 : 0);
		key = getch();
	} while (key == ERR && !asked_to_end && now_seconds() < s->due);
	return key;
}

static void wait_for_key(struct screen *s)
{
	int key = next_key(s);

	if (key == '\r')
		key = '\n';
	if (key == ERR || key == KEY_RESIZE)
		return;
	if (s->prompt)
		handle_typing(s, key);
	else
		handle_key(s, key);
}

int top_run_screen(struct top *t)
{
	struct screen s = { .top = t, .due = now_seconds() + t->delay };
	struct sigaction action = { .sa_handler = end_top };
	long readings = 1;
	int err = 0;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	start_screen(&s);
	while (!err && !s.over && !asked_to_end) {
		err = draw(&s);
		if (!err)
			wait_for_key(&s);
		if (now_seconds() < s.due)
			continue;
		/* The last reading stands while there is none: a daemon is being started.
		 */
		if (t->iterations && readings++ >= t->iterations)
			break;
		s.err = top_read(t);
		s.due = now_seconds() + t->delay;
	}
	endwin();
	return err;
}
