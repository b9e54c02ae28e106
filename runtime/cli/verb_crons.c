// SPDX-License-Identifier: Apache-2.0
/* crons ls, runs, run: schedules of services, and their runs. */
#include <stdio.h>

#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/listing.h"
#include "runtime/cli/table.h"

static const struct column schedule_columns[] = {
	{.title = "SERVICE", .key = "service"},
	{.title = "NAME", .key = "name"},
	{.title = "SCHEDULE", .key = "schedule"},
	{.title = "TIMEZONE", .key = "timezone"},
	{.title = "NEXT", .key = "next_at"},
	{.title = "LAST", .key = "last.scheduled_at"},
	{.title = "RESULT", .key = "last.state"},
	{.title = "STATUS", .key = "last.status", .right = true},
};

static const struct column run_columns[] = {
	{.title = "RUN", .key = "id"},
	{.title = "SERVICE", .key = "service"},
	{.title = "SCHEDULE", .key = "schedule"},
	{.title = "FOR", .key = "scheduled_at"},
	{.title = "CAUSE", .key = "cause"},
	{.title = "RESULT", .key = "state"},
	{.title = "TRIES", .key = "attempts", .right = true},
	{.title = "WHY", .key = "text"},
};

int verb_crons_ls(struct call *call)
{
	static const struct listing listing = {
		.action = "list the schedules",
		.key = "schedules",
		.name = "name",
		.columns = schedule_columns,
		.column_count = ARRAY_LEN(schedule_columns),
		.none = "no schedules; crons and schedules in ebb.json "
			"make some"};
	const char *service = args_value(&call->args, "service");
	char target[API_TARGET_SIZE] = "/v1/schedules";
	int r = api_parameter(target, "service", service);

	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

int verb_crons_runs(struct call *call)
{
	static const struct listing listing = {.action = "list the runs",
					       .key = "runs",
					       .name = "id",
					       .columns = run_columns,
					       .column_count = ARRAY_LEN(run_columns),
					       .none = "no runs yet"};
	const char *service = args_value(&call->args, "service"), *name = args_word(&call->args, 0);
	char target[API_TARGET_SIZE] = "/v1/runs";
	int r = api_parameter(target, "service", service);

	if (r == CLI_DONE)
		r = api_parameter(target, "schedule", name);
	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

int verb_crons_run(struct call *call)
{
	const char *service = args_value(&call->args, "service");
	char target[API_TARGET_SIZE] = "/v1/schedules/run";
	struct api_answer answer;
	int r = api_parameter(target, "name", args_word(&call->args, 0));

	if (r == CLI_DONE)
		r = api_parameter(target, "service", service);
	if (r == CLI_DONE)
		r = api_call(call, "POST", target, "run the schedule", &answer);
	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		(void)printf("%s\n", json_string(json_get(answer.document, "run")));
	api_answer_fini(&answer);
	return CLI_DONE;
}
