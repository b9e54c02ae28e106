// SPDX-License-Identifier: Apache-2.0
/* traffic: how requests are shared between revisions. */
#include <stdio.h>
#include <string.h>

#include "runtime/base/mem.h"
#include "runtime/base/text.h"
#include "runtime/cli/api.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

static const struct column columns[] = {
	{.title = "REVISION", .key = "revision", .right = true},
	{.title = "PERCENT", .key = "percent", .right = true},
};

/* Makes an element of the list from a word such as "7=90". False after having printed the error. */
static bool add_share(struct json_out *o, const char *word)
{
	const char *equals = strchr(word, '=');
	uint64_t revision, percent;
	char number[24];

	if (!equals || text_copy(number, sizeof(number), word) < 0) {
		say_error(NULL, "write REVISION=PERCENT, such as 7=90", "%s is not a share", word);
		return false;
	}
	number[equals - word] = '\0';
	if (text_parse_u64(number, 1, UINT32_MAX, &revision) < 0 ||
	    text_parse_u64(equals + 1, 0, 100, &percent) < 0) {
		say_error(NULL, "write REVISION=PERCENT, such as 7=90", "%s is not a share", word);
		return false;
	}
	json_out_object(o, NULL);
	json_out_u64(o, "revision", revision);
	json_out_u64(o, "percent", percent);
	json_out_end_object(o);
	return true;
}

static bool write_body(const struct call *call, struct json_out *o)
{
	json_out_object(o, NULL);
	json_out_array(o, "traffic");
	for (unsigned int i = 1; args_word(&call->args, i); i++)
		if (!add_share(o, args_word(&call->args, i)))
			return false;
	json_out_end_array(o);
	json_out_end_object(o);
	return true;
}

int verb_traffic(struct call *call)
{
	const char *name = args_word(&call->args, 0);
	char target[1100], action[128];
	struct api_answer answer;
	struct json_out body;
	bool dry_run = args_given(&call->args, "dry-run") && args_word(&call->args, 1);
	int r = api_target(target, sizeof(target), "/v1/services/", name,
			   dry_run ? "/traffic?dryRun=1" : "/traffic");

	snprintf(action, sizeof(action), "share the traffic of %.100s", name);
	json_out_init(&body);
	if (r == CLI_DONE && !args_word(&call->args, 1))
		r = api_call(call, "GET", target, action, &answer);
	else if (r == CLI_DONE)
		r = write_body(call, &body)
			    ? api_send(call, "PUT", target, body.text, action, &answer)
			    : CLI_USAGE;
	json_out_fini(&body);
	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		table_show(columns, ARRAY_LEN(columns), api_list(answer.document, "traffic"),
			   call->color, "");
	api_answer_fini(&answer);
	return CLI_DONE;
}
