// SPDX-License-Identifier: Apache-2.0
/* ls, inspect, rollback, rm: services. */
#include <stdio.h>

#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define SERVICES "/v1/services"

static const struct column columns[] = {
	{.title = "NAME", .key = "name"},
	{.title = "REVISION", .key = "revision", .right = true},
	{.title = "STATE", .key = "state"},
	{.title = "IMAGE", .key = "image"},
	{.title = "DIGEST", .key = "digest", .show = SHOW_DIGEST},
	{.title = "MEMORY", .key = "memory", .right = true},
	{.title = "PREFIX", .key = "routePrefix"},
	{.title = "HOSTS", .key = "hosts"},
};

int verb_ls(struct call *call)
{
	struct api_answer answer;
	const struct json *list;
	int r = api_call(call, "GET", SERVICES, "list the services", &answer);

	if (r != CLI_DONE)
		return r;
	list = api_list(answer.document, "services");
	if (call->json)
		api_print(list);
	else if (args_given(&call->args, "quiet"))
		table_names(list, "name");
	else
		table_show(columns, ARRAY_LEN(columns), list, call->color,
			   "no services; ebb deploy makes one");
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_inspect(struct call *call)
{
	const char *name = args_word(&call->args, 0);
	char target[1100], action[128];
	struct api_answer answer;
	int r = api_target(target, sizeof(target), SERVICES "/", name, "");

	snprintf(action, sizeof(action), "inspect %.100s", name);
	if (r == CLI_DONE)
		r = api_call(call, "GET", target, action, &answer);
	if (r != CLI_DONE)
		return r;
	api_print(answer.document);
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_rollback(struct call *call)
{
	const char *name = args_word(&call->args, 0);
	char target[1100], action[128], revision[32];
	struct api_answer answer;
	int r = api_target(target, sizeof(target), SERVICES "/", name, "/rollback");

	snprintf(action, sizeof(action), "roll back %.100s", name);
	if (r == CLI_DONE)
		r = api_call(call, "POST", target, action, &answer);
	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		printf("%s is at revision %s\n", name,
		       table_value(revision, sizeof(revision),
				   json_get(answer.document, "revision"), SHOW_TEXT, 0));
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_rm(struct call *call)
{
	return api_each(call, "DELETE", SERVICES "/", "", "remove", "removed");
}
