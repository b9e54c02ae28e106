// SPDX-License-Identifier: Apache-2.0
/* node: the host, its capacity and condition. */
#include <stdio.h>
#include <string.h>

#include "runtime/cli/api.h"
#include "runtime/cli/table.h"
#include "runtime/cli/text_out.h"

#define DEPTH_MAX 6

static void print_member(const char *path, const struct json *value)
{
	char text[600], safe[600];

	printf("%-24s ", text_escape(safe, sizeof(safe), path));
	printf("%s\n", text_escape(safe, sizeof(safe),
				   table_value(text, sizeof(text), value, SHOW_TEXT, 0)));
}

static bool nested(const struct json *value)
{
	return json_kind(value) == JSON_OBJECT ||
	       (json_kind(value) == JSON_ARRAY && json_kind(json_at(value, 0)) == JSON_OBJECT);
}

/* Prints every member of the answer as "a.b value", in a list of objects as "a[0].b value". */
static void print_members(const struct json *value, const char *path, int depth)
{
	for (size_t i = 0; i < json_count(value); i++) {
		const struct json *one = json_at(value, i);
		char inner[200];

		if (json_kind(value) == JSON_ARRAY)
			snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
		else
			snprintf(inner, sizeof(inner), "%s%s%.60s", path, *path ? "." : "",
				 json_key_at(value, i));
		if (nested(one) && depth < DEPTH_MAX)
			print_members(one, inner, depth + 1);
		else
			print_member(inner, one);
	}
}

int verb_node(struct call *call)
{
	struct api_answer answer;
	int r = api_call(call, "GET", "/v1/node", "look at the node", &answer);

	if (r != CLI_DONE)
		return r;
	if (call->json)
		api_print(answer.document);
	else
		print_members(answer.document, "", 0);
	api_answer_fini(&answer);
	return CLI_DONE;
}
