// SPDX-License-Identifier: Apache-2.0
/* logs, events: past lines and, with --follow, lines to come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/lines.h"
#include "runtime/cli/log_line.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define TAIL_MAX 100000

struct source {
	const char *target, *second, *action;
	void (*take)(void *context, char *line);
};

static int print_lines(const struct call *call, const struct source *source, bool follow)
{
	SCOPED_MEM struct lines *lines = calloc(1, sizeof(*lines));
	struct line_sink sink = {.call = call, .array = !follow};
	struct http_slice piece;
	struct conn *conn;
	int r = lines ? api_stream(call, source->target, source->second, source->action, &conn)
		      : CLI_FAILED;

	if (r != CLI_DONE)
		return r;
	if (follow)
		conn->timeout_ms = -1;
	line_sink_begin(&sink);
	while ((r = conn_next(conn, &piece)) > 0)
		lines_feed(lines, piece, source->take, &sink);
	lines_end(lines, source->take, &sink);
	line_sink_end(&sink);
	conn_free(conn);
	return r < 0 ? api_broken(call, source->action, r) : CLI_DONE;
}

/* "?follow=1&tail=20&request=..." */
static int logs_query(const struct call *call, char *buf, size_t size)
{
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
	snprintf(buf, size, "/logs?follow=%d%s%s%s%s", args_given(&call->args, "follow"),
		 tail ? "&tail=" : "", tail ? tail : "", request ? "&request=" : "",
		 request ? request : "");
	return CLI_DONE;
}

int verb_logs(struct call *call)
{
	const char *name = args_word(&call->args, 0);
	char service[1200], instance[1200], action[128], query[128];
	struct source source = {service, instance, action, log_line_print};
	int r = logs_query(call, query, sizeof(query));

	if (r == CLI_DONE)
		r = api_target(service, sizeof(service), "/v1/services/", name, query);
	if (r == CLI_DONE)
		r = api_target(instance, sizeof(instance), "/v1/instances/", name, query);
	snprintf(action, sizeof(action), "read the log of %.100s", name);
	return r == CLI_DONE ? print_lines(call, &source, args_given(&call->args, "follow")) : r;
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

/* Prints the past events; rev gets the number of the last one. */
static int print_past(const struct call *call, const char *target, const char *action, char *rev,
		      size_t size)
{
	bool follow = args_given(&call->args, "follow");
	struct conn_request request = {
		.method = "GET", .target = target, .accept = "application/json", .body_fd = -1};
	struct api_answer answer;
	const struct json *list;
	int r = api_try(call, &request, action, &answer);

	rev[0] = '\0';
	if (r != CLI_DONE)
		return r;
	if (answer.status >= 300) {
		r = api_refused(action, answer.status, answer.document, answer.text);
		api_answer_fini(&answer);
		return r;
	}
	list = api_list(answer.document, "events");
	if (args_word(&call->args, 0) && json_count(list) == 0 && follow)
		say_note("ebb: there is no event of it yet; waiting");
	if (call->json && !follow)
		api_print(list);
	for (size_t i = 0; (!call->json || follow) && i < json_count(list); i++)
		event_print(call, json_at(list, i));
	fflush(stdout);
	table_value(rev, size, json_get(answer.document, "rev"), SHOW_TEXT, 0);
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_events(struct call *call)
{
	struct source source = {.action = "read the events", .take = event_line_print};
	char target[720], since[800], rev[32];
	bool follow = args_given(&call->args, "follow");
	int r = events_target(call, "/v1/events", follow, target, sizeof(target));

	if (r == CLI_DONE)
		r = print_past(call, target, source.action, rev, sizeof(rev));
	if (r != CLI_DONE || !follow)
		return r;
	(void)events_target(call, "/v1/watch", false, target, sizeof(target));
	snprintf(since, sizeof(since), "%s%s%s", target, *rev ? "since=" : "", rev);
	source.target = since;
	return print_lines(call, &source, true);
}
