// SPDX-License-Identifier: Apache-2.0
/* runs ls, show, cancel, retry: runs of workflows, and the log of one. */
#include <stdio.h>

#include "runtime/base/clock.h"
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

static const struct column event_columns[] = {
	{.title = "N", .key = "number", .right = true},
	{.title = "AT", .key = "created_at"},
	{.title = "EVENT", .key = "event"},
	{.title = "ABOUT", .key = "about"},
	{.title = "STEP", .key = "step"},
	{.title = "BYTES", .key = "bytes", .right = true},
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

/* ---- the log of one ---- */

/* Rows of both forms, of which one is printed. */
struct log {
	struct table *table;
	struct json_out json;
	uint64_t last; /* number of the last event */
};

static int log_add(struct log *log, const struct json *events)
{
	uint64_t now_us = clock_real_us();

	for (size_t i = 0; i < json_count(events); i++) {
		const struct json *event = json_at(events, i);

		json_out_value(&log->json, NULL, event);
		if (table_add_json(log->table, event, now_us) < 0 ||
		    table_number(json_get(event, "number"), &log->last) < 0)
			return CLI_FAILED;
	}
	return CLI_DONE;
}

/* Asks for the next part of the log. *more: there was something in it. */
static int log_next(const struct call *call, const struct json *run, struct log *log, bool *more)
{
	char target[API_TARGET_SIZE] = "/v1/workflows/events", after[24];
	struct api_answer answer;
	const struct json *events;
	int r = api_parameter(target, "namespace", json_string(json_get(run, "namespace")));

	(void)snprintf(after, sizeof(after), "%llu", (unsigned long long)log->last);
	if (r == CLI_DONE)
		r = api_parameter(target, "id", json_string(json_get(run, "id")));
	if (r == CLI_DONE)
		r = api_parameter(target, "after", after);
	if (r == CLI_DONE)
		r = api_call(call, "GET", target, "show the log of the run", &answer);
	if (r != CLI_DONE)
		return r;
	events = api_list(answer.document, "events");
	*more = json_count(events) > 0;
	r = log_add(log, events);
	api_answer_fini(&answer);
	return r;
}

static void log_print(const struct call *call, const struct log *log)
{
	if (call->json)
		api_print_text(&log->json);
	else
		table_print(log->table, stdout, call->color);
}

static int show_log(const struct call *call, const struct json *run)
{
	struct log log = {.table = table_new(event_columns, ARRAY_LEN(event_columns))};
	bool more = true;
	int r = log.table ? CLI_DONE : CLI_FAILED;

	json_out_init(&log.json);
	json_out_array(&log.json, NULL);
	while (r == CLI_DONE && more)
		r = log_next(call, run, &log, &more);
	json_out_end_array(&log.json);
	if (r == CLI_DONE)
		log_print(call, &log);
	json_out_fini(&log.json);
	table_free(log.table);
	return r;
}

static int refuse_several(void)
{
	(void)fprintf(stderr, "ebb: several namespaces have this run; --namespace says which\n");
	return CLI_USAGE;
}

static int show(const struct call *call, const struct json *runs)
{
	bool one = json_count(runs) == 1;

	if (args_given(&call->args, "events"))
		return one ? show_log(call, json_at(runs, 0)) : refuse_several();
	if (call->json) {
		api_print(runs);
		return CLI_DONE;
	}
	if (args_given(&call->args, "quiet")) {
		table_names(runs, "id");
		return CLI_DONE;
	}
	table_show(all_columns, ARRAY_LEN(all_columns), runs, call->color, "no such run");
	if (!one)
		return CLI_DONE;
	(void)putchar('\n');
	return show_log(call, json_at(runs, 0));
}

int verb_runs_show(struct call *call)
{
	char target[API_TARGET_SIZE] = "/v1/workflows";
	struct api_answer answer;
	int r = api_parameter(target, "id", args_word(&call->args, 0));

	if (r == CLI_DONE)
		r = api_parameter(target, "namespace", args_value(&call->args, "namespace"));
	if (r == CLI_DONE)
		r = api_call(call, "GET", target, "show the run", &answer);
	if (r != CLI_DONE)
		return r;
	r = show(call, api_list(answer.document, "runs"));
	api_answer_fini(&answer);
	return r;
}

/* ---- moving one ---- */

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
	if (json_count(runs) > 1)
		r = refuse_several();
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
