/* SPDX-License-Identifier: MIT */
/*
 * Metrics over HTTP: one request after the other, GET only, nothing of the request is
 * used but its path and which text it accepts.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>
#include <systemd/sd-daemon.h>

#include "export.h"

#define CONNECTIONS_MOST   32
#define IDLE_SECONDS	   30
#define REQUEST_MEMORY	   16384
#define OPENMETRICS_TYPE   "application/openmetrics-text"
#define OPENMETRICS_ANSWER OPENMETRICS_TYPE "; version=1.0.0; charset=utf-8"
#define TEXT_ANSWER	   "text/plain; version=0.0.4; charset=utf-8"

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
				   const char *type, char *text, size_t size)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_metrics(struct exporter *e,
				      struct MHD_Connection *connection)
{
	const char *accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_ACCEPT);
	enum metrics_format format = accept && strstr(accept, OPENMETRICS_TYPE)
					     ? METRICS_OPENMETRICS
					     : METRICS_TEXT;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return MHD_NO;
	/* Without a table, the metrics say that nobody keeps one. */
	exporter_read(e);
	metrics_write(e, format, f);
	if (fclose(f))
		return MHD_NO;
	return answer_text(connection, MHD_HTTP_OK,
			   format == METRICS_OPENMETRICS ? OPENMETRICS_ANSWER
							 : TEXT_ANSWER,
			   text, size);
}

static enum MHD_Result answer_plain(struct MHD_Connection *connection,
				    unsigned int status, const char *text)
{
	char *copy = strdup(text);

	return copy ? answer_text(connection, status, "text/plain; charset=utf-8", copy,
				  strlen(copy))
		    : MHD_NO;
}

static enum MHD_Result handle_request(void *data, struct MHD_Connection *connection,
				      const char *path, const char *method,
				      const char *version, const char *upload,
				      size_t *size, void **state)
{
	(void)version;
	(void)upload;
	(void)size;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return answer_plain(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				    "GET only\n");
	if (!strcmp(path, "/metrics"))
		return answer_metrics(data, connection);
	if (!strcmp(path, "/"))
		return answer_plain(connection, MHD_HTTP_OK, "xenmeter: see /metrics\n");
	return answer_plain(connection, MHD_HTTP_NOT_FOUND, "see /metrics\n");
}

/* ---- where ---- */

/* getaddrinfo() takes a larger number, too, and listens on what is left of it. */
static bool is_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return isdigit((unsigned char)*text) && !*end && port && port <= UINT16_MAX;
}

/* HOST:PORT, where an IPv6 address stands in brackets. */
static struct addrinfo *parse_address(const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags =
					  AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	const char *colon = strrchr(address, ':');
	struct addrinfo *found = NULL;
	char host[INET6_ADDRSTRLEN + 2];
	size_t length = colon ? colon - address : 0;

	if (!colon || length >= sizeof(host) || !is_port(colon + 1))
		return NULL;
	memcpy(host, address, length);
	host[length] = '\0';
	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		memmove(host, host + 1, length - 1);
	}
	if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found))
		return NULL;
	return found;
}

static struct MHD_Daemon *start_on(struct exporter *e, int fd, const struct addrinfo *at)
{
	struct MHD_OptionItem where[] = {
		{ fd >= 0 ? MHD_OPTION_LISTEN_SOCKET : MHD_OPTION_SOCK_ADDR, fd,
		  fd >= 0 ? NULL : at->ai_addr },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			     (at && at->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);

	return MHD_start_daemon(flags, at ? 1 : 0, NULL, NULL, handle_request, e,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MOST,
				MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)REQUEST_MEMORY, MHD_OPTION_ARRAY, where,
				MHD_OPTION_END);
}

static void wait_for_signal(void)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigwait(&set, &number);
}

/* Before there are threads, so that none of them takes these. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int export_http(struct exporter *e, const char *address)
{
	int passed = sd_listen_fds(1) > 0 ? SD_LISTEN_FDS_START : -1;
	struct addrinfo *at = passed < 0 ? parse_address(address) : NULL;
	struct MHD_Daemon *daemon;

	if (passed < 0 && !at) {
		fprintf(stderr, "xenmeter: \"%s\" is no address like 127.0.0.1:9736\n",
			address);
		return -EDESTADDRREQ;
	}
	block_signals();
	errno = 0;
	daemon = start_on(e, passed, at);
	if (at)
		freeaddrinfo(at);
	if (!daemon) {
		fprintf(stderr, "xenmeter: cannot listen on %s: %s\n", address,
			errno ? strerror(errno) : "libmicrohttpd does not start");
		return errno ? -errno : -EIO;
	}
	sd_notify(1, "READY=1");
	wait_for_signal();
	MHD_stop_daemon(daemon);
	return 0;
}
