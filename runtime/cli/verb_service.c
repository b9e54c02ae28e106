// SPDX-License-Identifier: Apache-2.0
/* ls, inspect, revisions, rollback, rm: services. */
#include <stdio.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
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
	struct api_answer answer;
	int r = api_get(call, SERVICES "/", name, "", "inspect", &answer);

	if (r != CLI_DONE)
		return r;
	api_print(answer.document);
	api_answer_fini(&answer);
	return CLI_DONE;
}

static void print_rollback(const char *name, const struct json *document)
{
	char revision[32], repeats[32], image[300], digest[96];

	printf("%s %s at revision %s, which repeats revision %s (image %s, %s)\n", name,
	       json_is_true(json_get(document, "dry_run")) ? "would be" : "is",
	       table_value(revision, sizeof(revision), json_get(document, "revision"), SHOW_TEXT,
			   0),
	       table_value(repeats, sizeof(repeats), json_get(document, "repeats"), SHOW_TEXT, 0),
	       table_value(image, sizeof(image), json_get(document, "image"), SHOW_TEXT, 0),
	       table_value(digest, sizeof(digest), json_get(document, "digest"), SHOW_DIGEST, 0));
}

static const struct column revision_columns[] = {
	{.title = "REVISION", .key = "revision", .right = true},
	{.title = "CREATED", .key = "created_at"},
	{.title = "DIGEST", .key = "digest", .show = SHOW_DIGEST},
	{.title = "CURRENT", .key = "current"},
};

int verb_revisions(struct call *call)
{
	const char *name = args_word(&call->args, 0);
	struct api_answer answer;
	int r = api_get(call, SERVICES "/", name, "/revisions", "list the revisions of", &answer);

	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(api_list(answer.document, "revisions"));
	else
		table_show(revision_columns, ARRAY_LEN(revision_columns),
			   api_list(answer.document, "revisions"), call->color, "");
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_rollback(struct call *call)
{
	const char *name = args_word(&call->args, 0), *to = args_word(&call->args, 1);
	char target[1100], action[128], body[48] = "";
	struct api_answer answer;
	uint64_t wanted;
	int r = api_target(target, sizeof(target), SERVICES "/", name,
			   args_given(&call->args, "dry-run") ? "/rollback?dryRun=1" : "/rollback");

	if (to && text_parse_u64(to, 1, UINT32_MAX, &wanted) < 0) {
		say_error("it is not the number of a revision", "ebb revisions NAME shows them",
			  "cannot roll back to %s", to);
		return CLI_USAGE;
	}
	if (to)
		snprintf(body, sizeof(body), "{\"revision\": %s}", to);
	snprintf(action, sizeof(action), "roll back %.100s", name);
	if (r == CLI_DONE)
		r = api_send(call, "POST", target, body, action, &answer);
	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		print_rollback(name, answer.document);
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_rm(struct call *call)
{
	return api_each(call, "DELETE", SERVICES "/", "", "remove", "removed");
}
