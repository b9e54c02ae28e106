// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/followers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/cli/conn.h"
#include "runtime/cli/lines.h"
#include "runtime/cli/log_line.h"

#define RETRY_MS   1000
#define TAIL_FIRST 100

/* The log of one service. */
struct follower {
	char name[64];
	struct conn *conn; /* NULL: has to be opened */
	struct lines *lines;
	struct line_sink sink;
	char begun[CLOCK_DATE_SIZE]; /* when conn was opened first; "": it never was */
};

struct followers {
	const struct call *call;
	struct follower all[FOLLOWERS_MAX];
	size_t count;
	uint64_t away_since_ns; /* 0: the server answers */
};

struct followers *followers_new(const struct call *call)
{
	struct followers *f = calloc(1, sizeof(*f));

	if (f)
		f->call = call;
	return f;
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

static void follower_drain(struct follower *f)
{
	struct http_slice piece;
	int r;

	while ((r = conn_next(f->conn, &piece)) > 0)
		lines_feed(f->lines, piece, log_line_print, &f->sink);
	if (r != -EAGAIN)
		follower_close(f);
}

void followers_free(struct followers *f)
{
	for (size_t i = 0; f && i < f->count; i++) {
		follower_close(&f->all[i]);
		free(f->all[i].lines);
	}
	free(f);
}

static bool named(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->count; i++)
		if (strcmp(spec->services[i].name, name) == 0)
			return true;
	return false;
}

static bool followed(const struct followers *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->all[i].name, name) == 0)
			return true;
	return false;
}

static int follower_add(struct followers *f, const char *name)
{
	struct follower *one = &f->all[f->count];

	memset(one, 0, sizeof(*one));
	one->sink.call = f->call;
	one->lines = calloc(1, sizeof(*one->lines));
	if (!one->lines || text_copy(one->name, sizeof(one->name), name) < 0) {
		free(one->lines);
		return CLI_FAILED;
	}
	f->count++;
	return CLI_DONE;
}

int followers_set(struct followers *f, const struct spec *spec)
{
	size_t kept = 0;
	int r = CLI_DONE;

	for (size_t i = 0; i < f->count; i++) {
		struct follower *one = &f->all[i];

		if (named(spec, one->name)) {
			f->all[kept++] = *one;
			continue;
		}
		follower_close(one);
		free(one->lines);
	}
	f->count = kept;
	for (size_t i = 0; r == CLI_DONE && i < spec->count && f->count < FOLLOWERS_MAX; i++)
		if (!followed(f, spec->services[i].name))
			r = follower_add(f, spec->services[i].name);
	return r;
}

int followers_open(struct followers *f)
{
	bool all = true, away = false;

	for (size_t i = 0; i < f->count; i++) {
		struct follower *one = &f->all[i];
		int r = one->conn ? 0 : follower_open(f->call, one);

		all = all && r == 0;
		away = away || (r < 0 && r != -EAGAIN);
	}
	if (!away)
		f->away_since_ns = 0;
	else if (!f->away_since_ns)
		f->away_since_ns = clock_mono_ns();
	return all ? -1 : RETRY_MS;
}

size_t followers_waits(const struct followers *f, struct pollfd *waits)
{
	for (size_t i = 0; i < f->count; i++)
		waits[i] = (struct pollfd){
			.fd = f->all[i].conn ? f->all[i].conn->fd : -1,
			.events = POLLIN,
		};
	return f->count;
}

void followers_take(struct followers *f, const struct pollfd *waits)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->all[i].conn && waits[i].revents)
			follower_drain(&f->all[i]);
}

void followers_drain(struct followers *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->all[i].conn)
			follower_drain(&f->all[i]);
}

uint64_t followers_away_since_ns(const struct followers *f)
{
	return f->away_since_ns;
}
