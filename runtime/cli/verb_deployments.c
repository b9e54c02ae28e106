// SPDX-License-Identifier: Apache-2.0
/* deployments, promote: the whole of a file, as it was deployed. */
#include <stdio.h>

#include "runtime/base/mem.h"
#include "runtime/cli/api.h"
#include "runtime/cli/deploy.h"
#include "runtime/cli/listing.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define DEPLOYMENTS "/v1/deployments/"

static const struct column columns[] = {
	{.title = "SITE", .key = "site"},
	{.title = "ID", .key = "id"},
	{.title = "CURRENT", .key = "current"},
	{.title = "CREATED", .key = "created_at"},
	{.title = "PROMOTED", .key = "promoted_at"},
	{.title = "FOR CLIENTS UNTIL", .key = "kept_for_clients_until"},
};

int verb_deployments(struct call *call)
{
	static const struct listing listing = {
		.action = "list the deployments",
		.key = "deployments",
		.name = "id",
		.columns = columns,
		.column_count = ARRAY_LEN(columns),
		.none = "no deployments; ebb deploy -f FILE makes one",
	};
	const char *site = args_word(&call->args, 0);
	char target[1200] = "/v1/deployments";
	int r = site ? api_target(target, sizeof(target), DEPLOYMENTS, site, "") : CLI_DONE;

	return r == CLI_DONE ? listing_show(call, target, &listing) : r;
}

int deployments_there(const struct call *call, const char *site, bool *there)
{
	char target[1200];
	struct conn_request request = {.method = "GET", .target = target, .body_fd = -1};
	struct api_answer answer;
	int r = api_target(target, sizeof(target), DEPLOYMENTS, site, "");

	if (r == CLI_DONE)
		r = api_try(call, &request, "look for deployments", &answer);
	if (r != CLI_DONE)
		return r;
	*there = answer.status == 200;
	api_answer_fini(&answer);
	return CLI_DONE;
}

static void print_promotion(const char *site, const struct json *document)
{
	const struct json *services = json_get(document, "services");
	bool dry_run = json_is_true(json_get(document, "dry_run"));
	char revision[32];

	for (size_t i = 0; i < json_count(services); i++) {
		const struct json *s = json_at(services, i);

		table_value(revision, sizeof(revision), json_get(s, "revision"), SHOW_TEXT, 0);
		say_note("%s: revision %s, %s", json_string(json_get(s, "name")), revision,
			 json_string(json_get(s, "change")));
	}
	say_note("%s: deployment %s %s%s", site, json_string(json_get(document, "id")),
		 dry_run ? "would serve again" : "serves again",
		 dry_run ? " (dry run: nothing was changed)" : "");
}

int deployment_promote(const struct call *call, const char *site, const char *id)
{
	char target[1200], action[128];
	struct api_answer answer;
	struct json_out body;
	int r = api_target(target, sizeof(target), DEPLOYMENTS, site,
			   args_given(&call->args, "dry-run") ? "/promote?dryRun=1" : "/promote");

	snprintf(action, sizeof(action), "switch the deployment of %.100s", site);
	json_out_init(&body);
	json_out_object(&body, NULL);
	if (id)
		json_out_string(&body, "id", id);
	json_out_end_object(&body);
	if (r == CLI_DONE && body.failed)
		r = CLI_FAILED;
	if (r == CLI_DONE)
		r = api_send(call, "POST", target, body.text, action, &answer);
	json_out_fini(&body);
	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		print_promotion(site, answer.document);
	api_answer_fini(&answer);
	return CLI_DONE;
}

int verb_promote(struct call *call)
{
	return deployment_promote(call, args_word(&call->args, 0), args_word(&call->args, 1));
}
