// SPDX-License-Identifier: Apache-2.0
/* ps, why, net, freeze, thaw, stop: instances. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/listing.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define INSTANCES "/v1/instances"

static const struct column columns[] = {
	{.title = "ID", .key = "id"},
	{.title = "SERVICE", .key = "service"},
	{.title = "REV", .key = "revision", .right = true},
	{.title = "STATE", .key = "state"},
	{.title = "TICKETS", .key = "tickets", .right = true},
	{.title = "HOLDS", .key = "holds", .right = true},
	{.title = "PID", .key = "pid", .right = true},
	{.title = "CPU", .key = "cpu_us", .show = SHOW_US, .right = true},
	{.title = "AWAKE", .key = "awake_us", .show = SHOW_US, .right = true},
	{.title = "FROZEN", .key = "frozen_us", .show = SHOW_US, .right = true},
	{.title = "MEMORY", .key = "memory_bytes", .show = SHOW_BYTES, .right = true},
	{.title = "REQUESTS", .key = "invocations", .right = true},
	{.title = "AGE", .key = "started_at", .show = SHOW_AGE, .right = true},
};

static const struct column wide_columns[] = {
	{.title = "ID", .key = "id"},
	{.title = "SERVICE", .key = "service"},
	{.title = "REV", .key = "revision", .right = true},
	{.title = "STATE", .key = "state"},
	{.title = "TICKETS", .key = "tickets", .right = true},
	{.title = "CPU", .key = "cpu_us", .show = SHOW_US, .right = true},
	{.title = "AWAKE", .key = "awake_us", .show = SHOW_US, .right = true},
	{.title = "FROZEN", .key = "frozen_us", .show = SHOW_US, .right = true},
	{.title = "MEMORY", .key = "memory_bytes", .show = SHOW_BYTES, .right = true},
	{.title = "REQUESTS", .key = "invocations", .right = true},
	{.title = "OUT", .key = "net_out_bytes", .show = SHOW_BYTES, .right = true},
	{.title = "IN", .key = "net_in_bytes", .show = SHOW_BYTES, .right = true},
	{.title = "MADE", .key = "net_connections", .right = true},
	{.title = "OPEN", .key = "open_connections", .right = true},
	{.title = "ADDRESSES", .key = "addresses"},
};
_Static_assert(ARRAY_LEN(wide_columns) <= TABLE_COLUMNS_MAX, "all fit");

int verb_ps(struct call *call)
{
	static const struct listing listing = {
		.action = "list the instances",
		.key = "instances",
		.name = "id",
		.columns = columns,
		.column_count = ARRAY_LEN(columns),
		.none = "no instances; the first request starts one"};
	static const struct listing wide = {.action = "list the instances",
					    .key = "instances",
					    .name = "id",
					    .columns = wide_columns,
					    .column_count = ARRAY_LEN(wide_columns),
					    .none = "no instances; the first request starts one"};
	const char *service = args_value(&call->args, "service");
	bool is_wide = args_given(&call->args, "wide");
	char target[1100] = INSTANCES;
	int r = CLI_DONE;

	if (is_wide)
		(void)text_copy(target, sizeof(target), INSTANCES "?wide=1");
	if (service)
		r = api_target(target, sizeof(target),
			       is_wide ? INSTANCES "?wide=1&service=" : INSTANCES "?service=",
			       service, "");
	return r == CLI_DONE ? listing_show(call, target, is_wide ? &wide : &listing) : r;
}

int verb_net(struct call *call)
{
	static const struct column sockets[] = {
		{.title = "NETID", .key = "protocol"},
		{.title = "STATE", .key = "state"},
		{.title = "RECV-Q", .key = "receive_bytes", .right = true},
		{.title = "SEND-Q", .key = "send_bytes", .right = true},
		{.title = "LOCAL ADDRESS", .key = "local"},
		{.title = "PEER ADDRESS", .key = "peer"},
	};
	static const struct listing listing = {.action = "list the connections",
					       .key = "connections",
					       .name = "peer",
					       .columns = sockets,
					       .column_count = ARRAY_LEN(sockets),
					       .none = "no connections; --all shows every socket"};
	char target[1100];
	int r = api_target(target, sizeof(target), INSTANCES "/", args_word(&call->args, 0),
			   args_given(&call->args, "all") ? "/connections?all=1" : "/connections");

	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

static void print_why(const struct json *answer)
{
	static const char *const labels[][2] = {
		{"id", "instance"},     {"service", "service"}, {"state", "state"},
		{"tickets", "tickets"}, {"holds", "holds"},     {"why", "why"},
	};
	const struct json *reasons = json_get(answer, "reasons");
	char text[600], safe[600];

	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		const struct json *value = json_get(answer, labels[i][0]);

		if (value)
			printf("%-9s %s\n", labels[i][1],
			       text_escape(safe, sizeof(safe),
					   table_value(text, sizeof(text), value, SHOW_TEXT, 0)));
	}
	for (size_t i = 0; i < json_count(reasons); i++)
		printf("%-9s %s\n", i ? "" : "why",
		       text_escape(
			       safe, sizeof(safe),
			       table_value(text, sizeof(text), json_at(reasons, i), SHOW_TEXT, 0)));
}

int verb_why(struct call *call)
{
	const char *id = args_word(&call->args, 0);
	struct api_answer answer;
	int r = api_get(call, INSTANCES "/", id, "/why", "explain", &answer);

	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		print_why(answer.document);
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_freeze(struct call *call)
{
	return api_each(call, "POST", INSTANCES "/", "/freeze", "freeze", "frozen");
}

int verb_thaw(struct call *call)
{
	return api_each(call, "POST", INSTANCES "/", "/thaw", "thaw", "thawed");
}

int verb_stop(struct call *call)
{
	return api_each(call, "POST", INSTANCES "/", "/stop", "stop", "stopped");
}
