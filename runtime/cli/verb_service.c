// SPDX-License-Identifier: Apache-2.0
/* ls, inspect, revisions, rollback, rm: services. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/listing.h"
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
	static const struct listing listing = {.action = "list the services",
					       .key = "services",
					       .name = "name",
					       .columns = columns,
					       .column_count = ARRAY_LEN(columns),
					       .none = "no services; ebb deploy makes one"};

	return listing_show(call, SERVICES, &listing);
}

/* "api-7" */
static bool is_instance_id(const char *name)
{
	const char *dash = strrchr(name, '-');

	return dash && dash[1] && strspn(dash + 1, "0123456789") == strlen(dash + 1);
}

/* Where the thing of this name is: a service may be named as instances are, and comes first. */
static int find(const struct call *call, const char *name, const char **prefix)
{
	struct conn_request request = {
		.method = "GET", .accept = "application/json", .body_fd = -1};
	struct api_answer answer = {0};
	char target[1100];
	int r = CLI_DONE;

	*prefix = SERVICES "/";
	if (!is_instance_id(name))
		return CLI_DONE;
	r = api_target(target, sizeof(target), *prefix, name, "");
	request.target = target;
	if (r == CLI_DONE)
		r = api_try(call, &request, "inspect it", &answer);
	if (r == CLI_DONE && answer.status == 404)
		*prefix = "/v1/instances/";
	api_answer_fini(&answer);
	return r;
}

int verb_inspect(struct call *call)
{
	const char *name = args_word(&call->args, 0), *prefix;
	struct api_answer answer;
	int r = find(call, name, &prefix);

	if (r == CLI_DONE)
		r = api_get(call, prefix, name, "", "inspect", &answer);
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
	bool whole;
	int r = deployments_there(call, name, &whole);

	if (r != CLI_DONE || whole)
		return r == CLI_DONE ? deployment_promote(call, name, to) : r;
	r = api_target(target, sizeof(target), SERVICES "/", name,
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
