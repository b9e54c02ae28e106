// SPDX-License-Identifier: Apache-2.0
/* ps, why, freeze, thaw, stop: instances. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/text.h"
#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
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

int verb_ps(struct call *call)
{
	const char *service = args_value(&call->args, "service");
	struct api_answer answer;
	const struct json *list;
	char target[1100];
	int r = CLI_DONE;

	if (service)
		r = api_target(target, sizeof(target), INSTANCES "?service=", service, "");
	else
		(void)text_copy(target, sizeof(target), INSTANCES);
	if (r == CLI_DONE)
		r = api_call(call, "GET", target, "list the instances", &answer);
	if (r != CLI_DONE)
		return r;
	list = api_list(answer.document, "instances");
	if (call->json)
		api_print(list);
	else if (args_given(&call->args, "quiet"))
		table_names(list, "id");
	else
		table_show(columns, ARRAY_LEN(columns), list, call->color,
			   "no instances; the first request starts one");
	api_answer_fini(&answer);
	return CLI_DONE;
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
