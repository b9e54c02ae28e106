// SPDX-License-Identifier: Apache-2.0
/* logs, events: past lines and, with --follow, lines to come. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/clock.h"
#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/lines.h"
#include "runtime/cli/log_line.h"
#include "runtime/cli/text_out.h"

#define TAIL_MAX 100000

struct stream;

/* Where lines come from. aim makes the targets from behind the last line that was taken; refused
 * takes an answer with an error to one that comes again, and says whether to aim once more. */
struct source {
	const char *action;
	void (*take)(void *context, char *line);
	int (*aim)(struct stream *s);
	int (*refused)(struct stream *s, struct conn *conn);
};

struct stream {
	const struct call *call;
	const struct source *source;
	char action[128], target[1600], second[1600];
	char begun[CLOCK_DATE_SIZE]; /* lines from there on are to be seen */
	bool again;
	struct line_sink sink;
	struct lines lines;
};

static int read_lines(struct stream *s, struct conn *conn)
{
	struct http_slice piece;
	int r;

	while ((r = conn_next(conn, &piece)) > 0)
		lines_feed(&s->lines, piece, s->source->take, &s->sink);
	return r;
}

/* Goes on behind the last line with another connection. */
static int connect_again(struct stream *s, struct conn **out)
{
	int r;

	s->lines.used = 0; /* the part of a line comes again as a whole */
	s->again = true;
	cursor_again(&s->sink.cursor);
	for (;;) {
		r = s->source->aim(s);
		if (r == CLI_DONE)
			r = api_stream_again(s->call, s->target, *s->second ? s->second : NULL,
					     out);
		if (r != CLI_DONE || (*out)->status < 300)
			break;
		r = s->source->refused(s, *out);
		conn_free(*out);
		if (r != CLI_DONE)
			break;
	}
	if (r == CLI_DONE)
		say_note("ebb: connected again; goes on behind the last line");
	return r;
}

static int print_lines(struct stream *s, bool follow)
{
	struct conn *conn;
	int r = s->source->aim(s);

	if (r == CLI_DONE)
		r = api_stream(s->call, s->target, *s->second ? s->second : NULL, s->action, &conn);
	if (r != CLI_DONE)
		return r;
	line_sink_begin(&s->sink);
	for (;;) {
		if (follow)
			conn->timeout_ms = -1;
		r = read_lines(s, conn);
		conn_free(conn);
		if (r >= 0 || !follow)
			break;
		r = connect_again(s, &conn);
		if (r != CLI_DONE)
			break;
	}
	lines_end(&s->lines, s->source->take, &s->sink);
	line_sink_end(&s->sink);
	return r < 0 ? api_broken(s->call, s->action, r) : r;
}

static struct stream *stream_new(const struct call *call, const struct source *source, bool array)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->call = call;
	s->source = source;
	s->sink = (struct line_sink){.call = call, .array = array};
	(void)text_copy(s->action, sizeof(s->action), source->action);
	clock_rfc3339(clock_real_us(), s->begun);
	return s;
}

/* "?follow=1&tail=20&request=..." */
static int logs_query(const struct stream *s, char *buf, size_t size)
{
	const struct call *call = s->call;
	const char *last = s->sink.cursor.time;
	const char *tail = args_value(&call->args, "tail");
	const char *request = args_value(&call->args, "request");
	uint64_t number;
	uint8_t id[16];

	if (tail && text_parse_u64(tail, 0, TAIL_MAX, &number) < 0) {
		say_error("it is not a number of lines (0..100000)", NULL, "cannot use --tail %s",
			  tail);
		return CLI_USAGE;
	}
	if (request && (strlen(request) != 2 * sizeof(id) || text_unhex(id, sizeof(id), request))) {
		say_error("it is the x-ebb-id of a response: 32 lower-case hexadecimal digits",
			  NULL, "cannot use --request %.64s", request);
		return CLI_USAGE;
	}
	if (s->again)
		snprintf(buf, size, "/logs?follow=1&since=%s", *last ? last : s->begun);
	else
		snprintf(buf, size, "/logs?follow=%d%s%s", args_given(&call->args, "follow"),
			 tail ? "&tail=" : "", tail ? tail : "");
	snprintf(buf + strlen(buf), size - strlen(buf), "%s%s", request ? "&request=" : "",
		 request ? request : "");
	return CLI_DONE;
}

static int aim_at_logs(struct stream *s)
{
	const char *name = args_word(&s->call->args, 0);
	char query[192];
	int r = logs_query(s, query, sizeof(query));

	if (r == CLI_DONE)
		r = api_target(s->target, sizeof(s->target), "/v1/services/", name, query);
	if (r == CLI_DONE)
		r = api_target(s->second, sizeof(s->second), "/v1/instances/", name, query);
	return r;
}

static int logs_refused(struct stream *s, struct conn *conn)
{
	return api_refused_conn(s->call, s->action, conn);
}

int verb_logs(struct call *call)
{
	static const struct source source = {
		.take = log_line_print, .aim = aim_at_logs, .refused = logs_refused, .action = ""};
	bool follow = args_given(&call->args, "follow");
	SCOPED_MEM struct stream *s = stream_new(call, &source, !follow);

	if (!s)
		return CLI_FAILED;
	snprintf(s->action, sizeof(s->action), "read the log of %.100s", args_word(&call->args, 0));
	return print_lines(s, follow);
}

/* Makes "/v1/events?of=NAME&kind=K&", behind which more of the query may follow. */
static int events_target(const struct call *call, const char *path, bool follow, char *out,
			 size_t size)
{
	const char *name = args_word(&call->args, 0);
	const char *kind = args_value(&call->args, "kind");
	char of[320] = "", of_kind[320] = "";
	int r = CLI_DONE;

	if (name)
		r = api_target(of, sizeof(of), "of=", name, "&");
	if (r == CLI_DONE && kind)
		r = api_target(of_kind, sizeof(of_kind), "kind=", kind, "&");
	snprintf(out, size, "%s?%s%s%s", path, follow ? "follow=1&" : "", of, of_kind);
	return r;
}

/* Prints the past events that the cursor has not passed, and sets it behind all that there are. */
static int print_past(struct stream *s)
{
	const struct call *call = s->call;
	bool follow = args_given(&call->args, "follow");
	struct conn_request request = {
		.method = "GET", .target = s->target, .accept = "application/json", .body_fd = -1};
	struct api_answer answer;
	const struct json *list;
	int64_t rev;
	int r = events_target(call, "/v1/events", follow, s->target, sizeof(s->target));

	if (r == CLI_DONE)
		r = api_exchange(call, &request, s->action, &answer);
	if (r != CLI_DONE)
		return r;
	list = api_list(answer.document, "events");
	if (args_word(&call->args, 0) && json_count(list) == 0 && follow && !s->sink.cursor.rev)
		say_note("ebb: there is no event of it yet; waiting");
	if (call->json && !follow)
		api_print(list);
	for (size_t i = 0; (!call->json || follow) && i < json_count(list); i++)
		if (cursor_takes_event(&s->sink.cursor, json_at(list, i)))
			event_print(call, json_at(list, i));
	fflush(stdout);
	if (json_int(json_get(answer.document, "rev"), &rev) == 0 && rev > s->sink.cursor.rev)
		s->sink.cursor.rev = rev;
	api_answer_fini(&answer);
	return CLI_DONE;
}

static int aim_at_events(struct stream *s)
{
	int r = events_target(s->call, "/v1/watch", false, s->target, sizeof(s->target));
	size_t used = strlen(s->target);

	if (r == CLI_DONE && s->sink.cursor.rev)
		snprintf(s->target + used, sizeof(s->target) - used, "since=%" PRId64,
			 s->sink.cursor.rev);
	return r;
}

/* 410: more has happened since the last event that was shown than the server keeps. */
static int events_refused(struct stream *s, struct conn *conn)
{
	if (conn->status != 410)
		return api_refused_conn(s->call, s->action, conn);
	say_note("ebb: more has happened meanwhile than is kept; events may be missing here");
	return print_past(s);
}

int verb_events(struct call *call)
{
	static const struct source source = {.take = event_line_print,
					     .aim = aim_at_events,
					     .refused = events_refused,
					     .action = "read the events"};
	SCOPED_MEM struct stream *s = stream_new(call, &source, false);
	int r = s ? print_past(s) : CLI_FAILED;

	return r == CLI_DONE && args_given(&call->args, "follow") ? print_lines(s, true) : r;
}
