// SPDX-License-Identifier: Apache-2.0
/* runs ls, show, cancel, retry: runs of workflows. */
#include <stdio.h>

#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/listing.h"
#include "runtime/cli/table.h"

static const struct column columns[] = {
	{.title = "ID", .key = "id"},
	{.title = "NAMESPACE", .key = "namespace"},
	{.title = "WORKFLOW", .key = "workflow"},
	{.title = "STATE", .key = "state"},
	{.title = "EVENTS", .key = "events", .right = true},
	{.title = "CREATED", .key = "created_at"},
	{.title = "UPDATED", .key = "updated_at"},
};

static const struct column all_columns[] = {
	{.title = "ID", .key = "id"},
	{.title = "NAMESPACE", .key = "namespace"},
	{.title = "SERVICE", .key = "service"},
	{.title = "WORKFLOW", .key = "workflow"},
	{.title = "DEPLOYMENT", .key = "deployment"},
	{.title = "STATE", .key = "state"},
	{.title = "EVENTS", .key = "events", .right = true},
	{.title = "BYTES", .key = "bytes", .right = true},
	{.title = "CREATED", .key = "created_at"},
	{.title = "STARTED", .key = "started_at"},
	{.title = "UPDATED", .key = "updated_at"},
	{.title = "ENDED", .key = "ended_at"},
};

int verb_runs_ls(struct call *call)
{
	static const struct listing listing = {.action = "list the runs",
					       .key = "runs",
					       .name = "id",
					       .columns = columns,
					       .column_count = ARRAY_LEN(columns),
					       .none = "no runs of workflows; ebb crons runs has "
						       "those of schedules"};
	const char *space = args_value(&call->args, "namespace");
	char target[API_TARGET_SIZE] = "/v1/workflows";
	int r = api_parameter(target, "namespace", space);

	if (r == CLI_DONE)
		r = api_parameter(target, "state", args_value(&call->args, "state"));
	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

int verb_runs_show(struct call *call)
{
	static const struct listing listing = {.action = "show the run",
					       .key = "runs",
					       .name = "id",
					       .columns = all_columns,
					       .column_count = ARRAY_LEN(all_columns),
					       .none = "no such run"};
	char target[API_TARGET_SIZE] = "/v1/workflows";
	int r = api_parameter(target, "id", args_word(&call->args, 0));

	if (r == CLI_DONE)
		r = api_parameter(target, "namespace", args_value(&call->args, "namespace"));
	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

/* The one namespace that has a run of this id, unless --namespace says which. */
static int find_space(struct call *call, char *space, size_t size)
{
	const char *said = args_value(&call->args, "namespace"), *found;
	char target[API_TARGET_SIZE] = "/v1/workflows";
	const struct json *runs;
	struct api_answer answer;
	int r = api_parameter(target, "id", args_word(&call->args, 0));

	if (said) {
		(void)snprintf(space, size, "%s", said);
		return CLI_DONE;
	}
	if (r == CLI_DONE)
		r = api_call(call, "GET", target, "find the run", &answer);
	if (r != CLI_DONE)
		return r;
	runs = json_get(answer.document, "runs");
	found = json_string(json_get(json_at(runs, 0), "namespace"));
	(void)snprintf(space, size, "%s", found ? found : "");
	if (json_count(runs) > 1) {
		(void)fprintf(stderr, "ebb: several namespaces have this run; --namespace says "
				      "which\n");
		r = CLI_USAGE;
	}
	api_answer_fini(&answer);
	return r;
}

static int move(struct call *call, const char *base, const char *action)
{
	char target[API_TARGET_SIZE], space[256];
	struct api_answer answer;
	int r = find_space(call, space, sizeof(space));

	(void)snprintf(target, sizeof(target), "%s", base);
	if (r == CLI_DONE)
		r = api_parameter(target, "namespace", space);
	if (r == CLI_DONE)
		r = api_parameter(target, "id", args_word(&call->args, 0));
	if (r == CLI_DONE)
		r = api_call(call, "POST", target, action, &answer);
	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		(void)printf("%s\n", json_string(json_get(answer.document, "run")));
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_runs_cancel(struct call *call)
{
	return move(call, "/v1/workflows/cancel", "cancel the run");
}

int verb_runs_retry(struct call *call)
{
	return move(call, "/v1/workflows/retry", "go on with the run");
}
