// SPDX-License-Identifier: Apache-2.0
#include "runtime/cli/listing.h"

int listing_show(struct call *call, const char *target, const struct listing *listing)
{
	struct api_answer answer;
	const struct json *list;
	int r = api_call(call, "GET", target, listing->action, &answer);

	if (r != CLI_DONE)
		return r;
	list = api_list(answer.document, listing->key);
	if (call->json)
		api_print(list);
	else if (args_given(&call->args, "quiet"))
		table_names(list, listing->name);
	else
		table_show(listing->columns, listing->column_count, list, call->color,
			   listing->none);
	api_answer_fini(&answer);
	return CLI_DONE;
}
