// SPDX-License-Identifier: Apache-2.0
/*
 * up: keeps a deployment as one foreground process, so that any process manager can run it. Logs go
 * to standard output. On SIGHUP it reads the file again and applies it; on SIGTERM and SIGINT it
 * removes the services and exits with 0. It tells readiness as sd_notify(3) does.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/fd.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/lines.h"
#include "runtime/cli/log_line.h"
#include "runtime/cli/text_out.h"

#define RETRY_MS       1000
#define SERVER_AWAY_NS (60 * NS_PER_SEC)
#define TAIL_FIRST     100
#define STREAMS_MAX    256

/* The log of one service. */
struct follower {
	char name[64];
	struct conn *conn; /* NULL: has to be opened */
	struct lines *lines;
	struct line_sink sink;
	char begun[CLOCK_DATE_SIZE]; /* when conn was opened first; "": it never was */
};

struct attached {
	struct call *call;
	const char *file;
	struct deployment deployment;
	struct follower followers[STREAMS_MAX];
	size_t follower_count;
	uint64_t away_since_ns; /* 0: the server answers */
	int signals_fd;
};

/* Sends one datagram to NOTIFY_SOCKET (sd_notify(3)). It is no error if nobody listens there. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	SCOPED_FD fd = -1;
	socklen_t size;

	if (!path || !*path || text_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return;
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
		say_note("ebb: NOTIFY_SOCKET: %s", strerror(errno));
}

/* Opens the stream of logs. Prints no error, because the loop tries again. 0 or -errno. */
static int follower_open(const struct call *call, struct follower *f)
{
	char target[1200], encoded[200], now[CLOCK_DATE_SIZE];
	struct conn *conn;
	int r = conn_encode(encoded, sizeof(encoded), f->name);
	const char *last = *f->sink.cursor.time ? f->sink.cursor.time : f->begun;

	if (r == 0 && *last)
		r = text_format(target, sizeof(target), "/v1/services/%s/logs?follow=1&since=%s",
				encoded, last);
	else if (r == 0)
		r = text_format(target, sizeof(target), "/v1/services/%s/logs?follow=1&tail=%d",
				encoded, TAIL_FIRST);
	clock_rfc3339(clock_real_us(), now);
	if (r == 0)
		r = conn_open(call->socket, &conn);
	if (r < 0)
		return r;
	r = conn_ask_stream(conn, target, CONN_LINES);
	if (r == 0 && conn->status >= 300)
		r = -EAGAIN; /* not there yet, or not any more */
	if (r < 0) {
		conn_free(conn);
		return r;
	}
	conn->timeout_ms = 0;
	f->conn = conn;
	if (!*f->begun)
		memcpy(f->begun, now, sizeof(now));
	cursor_again(&f->sink.cursor);
	return 0;
}

/* The part of a line that has come comes again as a whole. */
static void follower_close(struct follower *f)
{
	if (f->lines)
		f->lines->used = 0;
	conn_free(f->conn);
	f->conn = NULL;
}

/* Prints what has come. */
static void follower_drain(struct follower *f)
{
	struct http_slice piece;
	int r;

	while ((r = conn_next(f->conn, &piece)) > 0)
		lines_feed(f->lines, piece, log_line_print, &f->sink);
	if (r != -EAGAIN)
		follower_close(f);
}

static void followers_clear(struct attached *a)
{
	for (size_t i = 0; i < a->follower_count; i++) {
		follower_close(&a->followers[i]);
		free(a->followers[i].lines);
	}
	a->follower_count = 0;
}

static bool deployed(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->count; i++)
		if (strcmp(spec->services[i].name, name) == 0)
			return true;
	return false;
}

static bool followed(const struct attached *a, const char *name)
{
	for (size_t i = 0; i < a->follower_count; i++)
		if (strcmp(a->followers[i].name, name) == 0)
			return true;
	return false;
}

static int follower_add(struct attached *a, const char *name)
{
	struct follower *f = &a->followers[a->follower_count];

	memset(f, 0, sizeof(*f));
	f->sink.call = a->call;
	f->lines = calloc(1, sizeof(*f->lines));
	if (!f->lines || text_copy(f->name, sizeof(f->name), name) < 0) {
		free(f->lines);
		return CLI_FAILED;
	}
	a->follower_count++;
	return CLI_DONE;
}

/* Makes a follower for each service of the deployment. Followers that are there already go on, so
 * no line is printed twice. */
static int followers_set(struct attached *a)
{
	const struct spec *spec = a->deployment.spec;
	size_t kept = 0;
	int r = CLI_DONE;

	for (size_t i = 0; i < a->follower_count; i++) {
		struct follower *f = &a->followers[i];

		if (deployed(spec, f->name)) {
			a->followers[kept++] = *f;
			continue;
		}
		follower_close(f);
		free(f->lines);
	}
	a->follower_count = kept;
	for (size_t i = 0; r == CLI_DONE && i < spec->count && a->follower_count < STREAMS_MAX; i++)
		if (!followed(a, spec->services[i].name))
			r = follower_add(a, spec->services[i].name);
	return r;
}

/* Opens the followers that are not open. Returns the timeout for poll in ms: until the next try, or
 * -1. */
static int followers_open(struct attached *a)
{
	bool all = true, away = false;

	for (size_t i = 0; i < a->follower_count; i++) {
		struct follower *f = &a->followers[i];
		int r = f->conn ? 0 : follower_open(a->call, f);

		all = all && r == 0;
		away = away || (r < 0 && r != -EAGAIN);
	}
	if (!away)
		a->away_since_ns = 0;
	else if (!a->away_since_ns)
		a->away_since_ns = clock_mono_ns();
	return all ? -1 : RETRY_MS;
}

/* Removes the services that the new file does not name any more. */
static void remove_missing(const struct attached *a, const struct deployment *old)
{
	for (size_t i = 0; i < old->spec->count; i++) {
		struct spec gone = {.count = 1, .services = {old->spec->services[i]}};
		struct deployment one = {.file = a->file, .spec = &gone};

		if (!deployed(a->deployment.spec, old->spec->services[i].name))
			deployment_remove(a->call, &one);
	}
}

/* On SIGHUP: applies the file again. A file that is wrong changes nothing: the services go on. */
static void apply_again(struct attached *a)
{
	struct deploy_how how = {.wait = true};
	struct deployment fresh, old = a->deployment;

	if (deployment_read(a->file, &fresh) != CLI_DONE) {
		say_note("ebb: the earlier deployment goes on");
		return;
	}
	a->deployment = fresh;
	if (deployment_apply(a->call, &a->deployment, &how) == CLI_DONE)
		remove_missing(a, &old);
	deployment_fini(&old);
	if (followers_set(a) != CLI_DONE)
		say_note("ebb: out of memory for logs");
}

/* Takes one signal. Returns 1 to end, 0 to go on. */
static int take_signal(struct attached *a)
{
	struct signalfd_siginfo info;

	if (read(a->signals_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGHUP)
		return 1;
	apply_again(a);
	return 0;
}

static int loop(struct attached *a)
{
	struct pollfd waits[STREAMS_MAX + 1];

	for (;;) {
		int timeout_ms = followers_open(a);
		size_t n = a->follower_count;

		if (a->away_since_ns && clock_mono_ns() - a->away_since_ns > SERVER_AWAY_NS)
			return api_no_server(a->call, -ECONNREFUSED);
		for (size_t i = 0; i < n; i++)
			waits[i] = (struct pollfd){
				.fd = a->followers[i].conn ? a->followers[i].conn->fd : -1,
				.events = POLLIN,
			};
		waits[n] = (struct pollfd){.fd = a->signals_fd, .events = POLLIN};
		if (poll(waits, n + 1, timeout_ms) < 0 && errno != EINTR)
			return CLI_FAILED;
		for (size_t i = 0; i < n; i++)
			if (a->followers[i].conn && waits[i].revents)
				follower_drain(&a->followers[i]);
		if (waits[n].revents && take_signal(a))
			return CLI_DONE;
	}
}

/* Signals are blocked before the first service is put, so that none is lost and none ends this
 * process half-way. */
static int block_signals(int *signals_fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	*signals_fd = signalfd(-1, &set, SFD_CLOEXEC);
	return *signals_fd < 0 ? -errno : 0;
}

static int attach(struct attached *a)
{
	int r = followers_set(a), removed;

	if (r == CLI_DONE) {
		notify("READY=1\n");
		say_note("ebb: up; SIGHUP applies %s again, SIGTERM removes the services", a->file);
		r = loop(a);
	}
	notify("STOPPING=1\n");
	if (r == CLI_NO_SERVER)
		return r;
	removed = deployment_remove(a->call, &a->deployment);
	for (size_t i = 0; i < a->follower_count; i++)
		if (a->followers[i].conn)
			follower_drain(&a->followers[i]);
	return removed > r ? removed : r;
}

static int up(struct attached *a, bool stay)
{
	struct deploy_how how = {.wait = true};
	int r = deployment_read(a->file, &a->deployment);

	if (r != CLI_DONE)
		return r;
	if (stay && block_signals(&a->signals_fd) < 0) {
		say_error(strerror(errno), NULL, "cannot take signals");
		r = CLI_FAILED;
	}
	a->call->signals_fd = a->signals_fd;
	if (r == CLI_DONE && stay)
		r = deployment_apply(a->call, &a->deployment, &how);
	else if (r == CLI_DONE)
		r = deployment_apply_shown(a->call, &a->deployment, &how);
	if (r == CLI_DONE && stay)
		r = attach(a);
	else if (r != CLI_DONE && r != CLI_NO_SERVER && stay)
		deployment_remove(a->call, &a->deployment); /* those that came up before */
	followers_clear(a);
	deployment_fini(&a->deployment);
	return r;
}

int verb_up(struct call *call)
{
	SCOPED_MEM struct attached *a = calloc(1, sizeof(*a));
	const char *file = args_value(&call->args, "file");
	int r;

	if (!a)
		return CLI_FAILED;
	a->call = call;
	a->file = file ? file : "ebb.json";
	a->signals_fd = -1;
	r = up(a, args_given(&call->args, "attach"));
	fd_close(&a->signals_fd);
	return r;
}
